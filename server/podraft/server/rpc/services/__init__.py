"""The services: the map from their methods to calls of the registry."""
