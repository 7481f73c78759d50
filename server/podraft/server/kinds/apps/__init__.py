"""The rooms of apps: what keeps pods of a template running."""
