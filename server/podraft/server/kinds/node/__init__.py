"""The rooms of the group node: the runtimes of containers."""
