"""Pods on this node: ``core`` decides, the modules here carry out what it returns.

``manager`` owns one ``worker`` per pod; ``probes``, ``exits``, ``images`` and
``status`` are what the workers share.
"""
