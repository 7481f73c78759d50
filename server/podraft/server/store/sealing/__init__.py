"""The keys that seal a data directory, and the resealing of what older keys sealed."""
