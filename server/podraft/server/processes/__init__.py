"""This process and those that it starts: what they log, and how they end."""
