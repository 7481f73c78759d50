"""Snapshots between members: their files, and the transfers that carry them."""
