"""How commands are declared and what their words mean: options, durations, targets."""
