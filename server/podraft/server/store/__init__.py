"""The state of one data directory: its log, the applied state, its history and its watches.

Invariant: nothing here knows of other members; `replication` joins several of these stores.
"""
