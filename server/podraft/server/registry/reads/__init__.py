"""Reads of the present."""
