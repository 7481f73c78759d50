"""The diagnosis of a cluster: every server is asked, and rules judge the answers."""
