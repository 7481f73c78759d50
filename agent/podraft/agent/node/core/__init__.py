"""What this machine is to the cluster: pure functions of what was read of it."""
