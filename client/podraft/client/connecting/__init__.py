"""Where a cluster is, and how to reach a server of it that answers."""
