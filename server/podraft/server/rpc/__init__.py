"""The API server's gRPC surface: one generic implementation for all kinds.

Reads hand out the stored bytes untouched; writes are planned as one transaction
(`planning`), carried out with bounded retries (`writes`); watches share one
feed per kind (`watches`).
"""
