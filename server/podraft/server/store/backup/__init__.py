"""Backups: their file, how one is made of a store and a store of one."""
