"""The identities of callers, and what each may do.

Identities come from client certificates that the cluster's own authority signed;
`authorize` is a pure function from identity and attempted call to a verdict.
"""
