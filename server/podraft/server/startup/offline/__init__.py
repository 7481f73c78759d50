"""The commands that work on a data directory instead of serving it."""
