"""The decisions of commands, as pure functions: what to write, what differs, what is missing."""
