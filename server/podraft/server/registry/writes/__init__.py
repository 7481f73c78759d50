"""Writes: what they mean given what is stored, and carrying them out."""
