"""This machine as a node of the cluster: its identity, its Node object, its heartbeats."""
