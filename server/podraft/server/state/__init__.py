"""The store's pure core: what a transaction does to the keyspace, and how it is written down.

No clock, disk, thread or event loop: ``podraft.server.store`` is the shell around it.
"""
