"""The common parts of the rooms of several kinds."""
