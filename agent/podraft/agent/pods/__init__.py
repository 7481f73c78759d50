"""Pods on this node: ``core`` decides, the rooms here carry out its decisions.

``manager`` owns one ``worker`` per pod; `node` is what the workers share. A worker's rooms each
own a part of the pod: ``sandbox`` (network, volumes), ``lifecycle`` (containers), ``probing``,
``reports``.
"""
