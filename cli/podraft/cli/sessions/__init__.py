"""Working with the API server: a connection, reads of now and of the past, waiting."""
