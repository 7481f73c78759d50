"""The health of this server: its disk, its machine, its certificates.

This package knows the store and the keys, not the API above it.
"""
