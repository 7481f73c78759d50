"""One container's life: its image, its start, signals to it, and how its end is learned."""
