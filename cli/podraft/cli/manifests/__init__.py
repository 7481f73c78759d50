"""Reading manifests: YAML or JSON files to objects, each fault with its line."""
