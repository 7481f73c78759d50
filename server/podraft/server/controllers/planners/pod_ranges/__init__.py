"""The pod range controller: each node has a range of addresses for its pods."""
