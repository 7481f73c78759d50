"""The API server's gRPC surface: it translates to the registry, which knows what the API means."""
