"""What the two serving processes, the server and the agent, share."""
