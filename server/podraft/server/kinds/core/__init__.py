"""The rooms of the core group: pods and nodes, services, namespaces, configuration."""
