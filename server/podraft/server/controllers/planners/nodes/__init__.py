"""The Node controller: a node that is silent is tainted, and its pods are evicted."""
