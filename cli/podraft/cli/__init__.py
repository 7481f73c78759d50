"""The `podraft` command: kubectl's words on podraft's typed API.

`commands/` holds one thin module per command or family; what they decide is in
pure modules (`manifests`, `apply_plan`, `rollouts`, `reasons`) and what they
print in `output/`.  Nothing heavy is imported before a command needs it.
"""
