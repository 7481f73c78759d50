"""Several stores that keep one state: the shell of `raft`.

``raft_datastore.RaftDatastore`` composes it: a driver that carries out what the core wants, streams
to the other members, snapshots, who is in the group, and comparisons of what came of it.
"""
