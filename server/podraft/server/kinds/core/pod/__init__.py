"""Pods: containers, volumes, probes, resources; what a pod may become, and where it may be."""

from podraft.server.kinds.core.pod.room import RULES

__all__ = ["RULES"]
