"""What is kept of each kind in memory, for those who read and watch it."""
