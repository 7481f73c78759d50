"""Where a cluster is, and the way to whichever of its servers answers."""
