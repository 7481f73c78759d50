"""Working with the API server: a connection, reads of the present and the past, waiting."""
