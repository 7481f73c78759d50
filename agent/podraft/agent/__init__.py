"""The agent of one node: it registers the node and keeps the pods bound to it running.

``app`` composes the parts; each part below is usable, and tested, on its own.
"""
