"""Opening a data directory as a member: identity, recovery, conversion and forced recovery."""
