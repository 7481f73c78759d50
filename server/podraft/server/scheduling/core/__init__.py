"""The scheduler's decisions: all nodes' state in numpy arrays, filters, scores, records.

Nothing here depends on clocks, sockets or tasks: the same table and pods give the same decisions.
"""
