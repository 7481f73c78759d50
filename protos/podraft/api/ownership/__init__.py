"""Ownership of fields: which manager has which field, and what applying a configuration means."""
