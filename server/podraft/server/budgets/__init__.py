"""Budgets: what each caller may take of a server, and what all of them together may."""
