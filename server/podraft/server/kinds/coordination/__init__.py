"""The rooms of coordination: Leases."""
