"""Several stores that keep one state: the shell of `raft`.

``raft_datastore.RaftDatastore`` composes it: a driver that carries out the core's effects, streams
to the other members, snapshots, the group's membership, and comparisons of the members' states.
"""
