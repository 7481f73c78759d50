"""The rules of health: pure."""
