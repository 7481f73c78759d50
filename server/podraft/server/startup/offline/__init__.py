"""What is done with a data directory while no server runs on it."""
