"""The rooms of events."""
