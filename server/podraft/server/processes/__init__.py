"""This process and its children: how they log, and how they end."""
