"""What commands decide, as pure functions: what to write, what differs, what is missing."""
