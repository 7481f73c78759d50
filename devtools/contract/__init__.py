"""Generating files of the repository from the registry of kinds, for `./dev generate`."""
