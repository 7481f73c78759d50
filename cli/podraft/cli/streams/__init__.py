"""The bytes of containers and of this process's terminal, in both directions."""
