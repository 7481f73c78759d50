"""The scheduler: a client of the API that chooses a node for every pending pod.

`core` decides, purely; the modules beside it watch, queue and commit.
"""
