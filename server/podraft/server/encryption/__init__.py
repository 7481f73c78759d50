"""Encryption of whatever comes to rest: sealed values, data keys, and the keys that wrap those.

Knows nothing of stores: they say what a value is (its context) and where their key ring lies.
"""
