"""Snapshots between members: the files, and the transfers that carry them."""
