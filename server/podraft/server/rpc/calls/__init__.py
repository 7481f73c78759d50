"""Calls as gRPC brings them: their callers, what they hold, and their refusals."""
