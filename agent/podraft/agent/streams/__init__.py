"""Logs and interactive commands of this node's containers, for the API server alone."""
