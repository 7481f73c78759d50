"""The controller of PodDisruptionBudgets: how many pods may be ended on purpose now."""
