"""Pods on this node: ``core`` decides, the rooms here carry out what it returns.

``manager`` owns one ``worker`` per pod, `node` is what the workers share.  A worker's rooms, each
owner of a part of the pod: ``sandbox`` (network, volumes), ``lifecycle`` (containers),
``probing``, ``reports``.
"""
