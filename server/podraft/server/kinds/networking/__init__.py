"""The rooms of networking: ways in from outside, and what may pass."""
