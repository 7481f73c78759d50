"""The rooms of events: what happened."""
