"""What the rooms of several kinds have in common."""
