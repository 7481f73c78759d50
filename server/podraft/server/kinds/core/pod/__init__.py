"""Pods: containers, volumes, probes, resources; their allowed changes and addresses."""

from podraft.server.kinds.core.pod.room import RULES

__all__ = ["RULES"]
