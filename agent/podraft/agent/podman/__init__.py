"""Podman: its service on this machine and its REST API; ``core`` says what is asked of it."""
