"""Consensus without I/O: events in, effects out, after the Raft paper and etcd's raft.

No clock, socket, disk, thread or randomness of its own: ``podraft.server.replication`` is the
shell.  ``core.RaftCore`` is the entry point; each other module owns one idea of the protocol.
"""
