"""Commands that look closer: why, since when, what to do about it."""
