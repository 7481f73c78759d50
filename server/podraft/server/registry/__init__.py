"""The meaning of the API: objects are written, read and watched, now and in the past.

Transports translate to and from it (`rpc`, gRPC); nothing in here knows one.  Reads hand out the
stored bytes untouched; writes are planned as one transaction and carried out with bounded retries
(`writes`); watches share one cache per kind (`cache`).  Refusals are worded independently of any
transport (`errors`).
"""
