"""The memory of each kind, for those who read and watch it."""
