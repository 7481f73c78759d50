"""The calls of the API: typed, of one kind or of none, and the parts of their requests."""
