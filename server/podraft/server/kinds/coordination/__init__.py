"""The rooms of coordination: who holds what."""
