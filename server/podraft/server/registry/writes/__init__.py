"""Writes: their meaning given the stored state, and carrying them out."""
