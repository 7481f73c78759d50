"""nf_tables over netlink: all that podraft says to the kernel's packet filter.

pyroute2 cannot express concatenated keys or verdict maps in one transaction, and its
message classes cost 0.7 ms each; this package packs the bytes itself.  `expressions` are the
instructions of rules, `sets` declares maps and their keys, `Batch` gathers the changes of
one transaction, `Connection` commits it and reads back what is there.

Invariant: a batch takes effect as a whole or not at all.
"""

from podraft.agent.network.nft.batch import Batch
from podraft.agent.network.nft.connection import Connection, NftError
from podraft.agent.network.nft.sets import DataType, MapSpec, Verdict, VerdictCode

__all__ = [
    "Batch",
    "Connection",
    "DataType",
    "MapSpec",
    "NftError",
    "Verdict",
    "VerdictCode",
]
