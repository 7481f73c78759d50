"""The rooms of scheduling: how important pods are."""
