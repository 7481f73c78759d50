"""What Prometheus is told, and whether the server is well."""
