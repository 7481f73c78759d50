"""Reads of what was."""
