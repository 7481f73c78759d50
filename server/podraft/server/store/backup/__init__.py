"""Backups: their file format, making one of a store, and restoring a store from one."""
