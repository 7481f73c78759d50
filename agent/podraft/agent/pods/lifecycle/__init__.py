"""A container's life: its image, its start, signals to it, and learning of its end."""
