"""How a data directory becomes a member: its identity, recovery, conversion and forced recovery."""
