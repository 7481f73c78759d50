"""What a controller is: what it sees, what it returns, what wakes it; and what several share."""
