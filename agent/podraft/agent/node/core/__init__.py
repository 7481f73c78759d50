"""What this machine is to the cluster: pure functions of facts read from the machine."""
