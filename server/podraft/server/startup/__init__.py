"""The start of a server: its arguments, its store, its services; and its offline commands."""
