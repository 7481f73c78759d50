"""`./dev bench`: podraft's throughput and latencies.

Every figure comes from real processes: a `podraft-server` of its own, client
processes beside it and, for pods, a real Podman.  Machines are noisy: compare medians
of runs on the same machine, never figures from different machines.
"""
