"""What pods tell the API: their statuses, their Events, and what went wrong."""
