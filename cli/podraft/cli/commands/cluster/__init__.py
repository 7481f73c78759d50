"""Commands about the cluster, its servers and nodes, and this client."""
