"""Pure functions: containers in Podman's words, its configuration, the meaning of its answers."""
