"""Joining: tokens, nodes and servers."""
