"""The calls of pods beyond those of every kind: eviction, logs, commands, forwarded ports."""
