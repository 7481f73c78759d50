"""The control plane: the API server and its store, the scheduler and the controllers."""
