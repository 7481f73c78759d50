"""Is the cluster well?  Asks every server, judges by rules."""
