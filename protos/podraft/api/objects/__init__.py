"""What objects say, worked out once for all parts of podraft: pure functions."""
