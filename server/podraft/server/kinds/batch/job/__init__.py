"""Jobs: pods that run until enough of them have succeeded."""

from podraft.server.kinds.batch.job.room import RULES

__all__ = ["RULES"]
