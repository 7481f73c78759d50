"""The addresses of a cluster, and the connection to a server of it that answers."""
