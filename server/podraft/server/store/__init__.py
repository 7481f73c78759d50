"""The state of one data directory: its log, what was applied of it, its history, its watches.

Invariant: nothing here knows of other members; `replication` puts several of these together.
"""
