"""Reads of the past."""
