"""The store's shells: the write-ahead log, the history in LMDB and the watchers.

``embedded.EmbeddedDatastore`` composes them into the single-member store.  The seam for
consensus is ``log.Log``: whatever orders commands and makes them durable.
"""
