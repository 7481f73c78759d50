"""Podman: its configuration for this machine, its service, its REST API, container specs."""
