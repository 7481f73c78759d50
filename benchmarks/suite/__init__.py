"""`./dev bench`: what podraft does per second, and how long one waits for it.

Every figure comes from real processes: a `podraft-server` of its own, client
processes beside it, for pods a real Podman.  Machines are noisy: compare medians
of runs on the same machine, never a figure with one from elsewhere.
"""
