"""The rooms of policy: what limits the ending of pods."""
