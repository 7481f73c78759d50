"""The rooms of apps: the kinds that keep pods of a template running."""
