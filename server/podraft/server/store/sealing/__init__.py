"""Which keys seal a data directory, and how what older keys sealed is sealed anew."""
