"""Rules of what is well: pure."""
