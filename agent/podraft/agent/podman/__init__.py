"""Podman: its service on this machine and its REST API; ``core`` decides what is asked of it."""
