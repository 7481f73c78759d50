"""A member's log on disk: its records, and the thread that writes them."""
