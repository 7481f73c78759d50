"""How a server starts: its arguments, its store, its services; and what is done instead."""
