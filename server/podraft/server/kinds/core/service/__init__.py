"""Services: their ports and types, and the addresses that they hold."""

from podraft.server.kinds.core.service.room import RULES

__all__ = ["RULES"]
