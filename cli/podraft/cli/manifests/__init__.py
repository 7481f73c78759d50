"""Reading manifests: from files and YAML or JSON to objects, each fault with its line."""
