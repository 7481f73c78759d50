"""Selectors of the objects that a list, a watch or a workload means, by labels or by fields."""
