"""How well this server is: its disk, its machine, its certificates.

Knows the store and the keys, not the API above it.
"""
