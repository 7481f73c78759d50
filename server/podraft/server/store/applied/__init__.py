"""What was applied of the log: the state that is read and watched."""
