"""The meaning of objects, worked out once for all parts of podraft: pure functions."""
