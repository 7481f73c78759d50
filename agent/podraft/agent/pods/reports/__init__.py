"""Reports of pods to the API: their statuses, their Events, and what went wrong."""
