"""The rooms of autoscaling: how the number of pods follows measurements."""
