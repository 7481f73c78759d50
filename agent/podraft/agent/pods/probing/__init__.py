"""Asking containers: probes, and the handlers that probes and hooks share."""
