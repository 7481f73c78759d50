"""Calls as gRPC brings them: who makes one, what it holds, how it is refused."""
