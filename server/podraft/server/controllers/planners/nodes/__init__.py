"""The Node controller: a silent node is tainted, and its pods are evicted."""
