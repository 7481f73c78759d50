"""Metrics for Prometheus, and the health of the server."""
