"""The `podraft` command: kubectl's words on podraft's typed API.

`commands/` holds one thin module per command or family.  What they decide is in the pure modules
of `manifests/` and `plans/`, what they read in `sessions/`, what they print in `output/`.
Nothing heavy is imported before a command needs it.
"""
