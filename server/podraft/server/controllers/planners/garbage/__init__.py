"""The garbage collector: objects that nobody owns any more are removed."""
