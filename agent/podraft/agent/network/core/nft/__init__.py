"""nf_tables' messages: everything that podraft tells the kernel's packet filter, as bytes.

pyroute2 cannot express concatenated keys or verdict maps in one transaction, and its
message classes cost 0.7 ms each; this package packs the bytes itself.  `expressions` are the
instructions of rules, `sets` declares maps and their keys, `Batch` gathers the changes of
one transaction, which a `Connection` of `network.nft` commits.
"""

from podraft.agent.network.core.nft.batch import Batch
from podraft.agent.network.core.nft.sets import DataType, MapSpec, Verdict, VerdictCode

__all__ = [
    "Batch",
    "DataType",
    "MapSpec",
    "Verdict",
    "VerdictCode",
]
