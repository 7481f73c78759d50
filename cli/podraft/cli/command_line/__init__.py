"""How commands are declared and what their arguments mean: options, durations, targets."""
