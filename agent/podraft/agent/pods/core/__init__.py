"""The pure decisions about pods: what is wanted, what is seen and the time in; actions out."""
