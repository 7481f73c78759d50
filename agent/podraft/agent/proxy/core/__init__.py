"""Pure decisions of the service proxy: services and endpoints in, map elements out."""
