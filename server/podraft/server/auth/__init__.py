"""Who a caller is, and what it may do.

Identities come from client certificates that the cluster's own authority signed;
`authorize` is a pure function from identity and attempted call to a verdict.
"""
