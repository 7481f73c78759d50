"""The format of container logs: pure."""
