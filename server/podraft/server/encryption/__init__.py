"""Encryption of data at rest: sealed values, data keys, and the keys that wrap those.

It knows nothing of stores: they define what a value is (its context) and where their key ring is.
"""
