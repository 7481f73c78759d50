"""The Python SDK: a typed, asynchronous client of podraft's API.

`connecting` says where a cluster is and finds a server that answers, `calls` holds the typed
clients and builds the parts of a `Commit`, `watching` keeps live copies of kinds and has what a
controller needs besides, `serving` is what the server's and the agent's processes share.
Nothing is imported here: every process of podraft pays for what it imports.
"""
