"""A whole Raft group in virtual time, from one seed: network, disks, clocks, clients, faults.

``simulation.run(seed)`` is the entry point. Everything random comes from the seed, nothing from
the machine: a seed reproduces a run exactly, in any process.
"""
