"""What the API means: objects that are written, read, watched and looked back at.

Transports translate to and from it (`rpc`, gRPC); nothing in here knows one.  Reads hand out the
stored bytes untouched; writes are planned as one transaction and carried out with bounded retries
(`writes`); watches share one cache per kind (`cache`).  Refusals are worded independently of any
transport (`errors`).
"""
