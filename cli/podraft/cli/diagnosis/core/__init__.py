"""The rules by which a cluster is well: pure."""
