"""The code that the two serving processes, the server and the agent, share."""
