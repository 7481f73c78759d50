"""The services: which method is which call of the registry."""
