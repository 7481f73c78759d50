"""Changes of one thing of an object, given as JSON and changed in place.

Owns: what `label`, `annotate`, `set` and `taint` do to an object.  Invariants: pure; a change that
does not fit the object raises a `CliError`, and the caller drops what was changed.
"""
