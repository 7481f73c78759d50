"""The join port: its process, and who joins there."""
