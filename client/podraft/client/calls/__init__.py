"""The API's typed calls, of one kind or of none, and the parts of their requests."""
