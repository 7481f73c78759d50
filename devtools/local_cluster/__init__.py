"""A real one-node cluster on this machine: `./dev up`, end-to-end tests and benchmarks.

Owns: the network namespace that stands for the machine, the processes in it and
their state directory.  Invariant: nothing outside of the namespace, the state
directory and the listening ports on 127.0.0.1 changes on the host, and `down`
removes all of it.
"""
