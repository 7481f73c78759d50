"""Commands that look closer: why something is so, since when, and what to do about it."""
