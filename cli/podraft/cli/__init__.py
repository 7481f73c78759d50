"""The `podraft` command: kubectl's words on podraft's typed API.

`commands/` holds one thin module per command or family.  They decide in the pure modules of
`manifests/` and `plans/`, read in `sessions/` and print in `output/`.
Nothing heavy is imported before a command needs it.
"""
