"""The rooms of batch: workloads that come to an end, and those that make them in time."""
