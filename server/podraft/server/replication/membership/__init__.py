"""The group's membership, this member's knowledge of it, and its changes."""
