"""What of the repository is written from the registry of kinds: `./dev generate` runs it."""
