"""The scheduler's decisions: all nodes' state in numpy arrays, filters, scores, records.

Nothing here knows of clocks, sockets or tasks: the same table and pods give the same decisions.
"""
