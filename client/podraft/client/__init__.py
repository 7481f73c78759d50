"""The Python SDK: a typed, asynchronous client of podraft's API.

`config` says where a cluster is and who asks, `client` calls it, `writes` builds the
parts of a `Commit`, `informer` keeps a live copy of a kind, `workqueue` and `leader`
are what a controller needs besides.  Nothing is imported here: every process of
podraft pays for what it imports.
"""
