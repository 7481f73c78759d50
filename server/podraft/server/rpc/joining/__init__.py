"""The join port: its process, and the machines that join there."""
