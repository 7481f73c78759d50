"""The declaration of commands and the meaning of their arguments: options, durations, targets."""
