"""What the processes that serve share: the server and the agent."""
