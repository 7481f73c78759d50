"""Stores that podraft does not run itself: an etcd v3 cluster that somebody already operates.

``etcd.EtcdDatastore`` is the ``Datastore`` over etcd's gRPC API; ``address`` parses its
address, ``connection`` calls its members, ``translation`` is the pure mapping between the two
vocabularies, ``stream`` reads etcd's watches, ``shared_watch`` passes them to watchers and
``point_reads`` lets reads share calls.
"""
