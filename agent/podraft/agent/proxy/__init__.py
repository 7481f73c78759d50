"""The service proxy: connections to a service's address reach one of its endpoints.

``core`` decides which map elements the kernel should hold, how to get there, and the rules in
nf_tables' words; ``app`` watches services and endpoint slices.
"""
