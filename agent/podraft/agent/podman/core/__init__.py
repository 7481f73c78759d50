"""Pure: a container in Podman's words, the machine's configuration, what Podman's answers mean."""
