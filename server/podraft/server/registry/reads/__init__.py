"""Reads of what is."""
