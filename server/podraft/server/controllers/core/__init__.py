"""The parts of a controller: what it sees, returns and is woken by; and what several share."""
