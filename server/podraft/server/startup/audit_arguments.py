"""The flags of the audit log, and the log that they describe.

Owns: ``--audit-policy-file``, ``--audit-log-path``, ``--audit-log-maxsize``,
``--audit-log-maxbackup``.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from podraft.api.kinds import KnownKinds
    from podraft.server.audit.audit_log import AuditLog
    from podraft.server.audit.policy import Policy

_NOWHERE: Final = "none"
_POLICY_BYTES_MAX: Final = 1024 * 1024
_DIGITS_MAX: Final = 6


@dataclass(frozen=True, slots=True)
class AuditArguments:
    """Where the audit log is written, how much of it is kept, and by which policy."""

    policy: Path | None = None
    path: str = ""
    size_mebibytes: int = 20
    backups: int = 4


NOT_GIVEN: Final = AuditArguments()


def add_audit_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags to ``parser``."""
    default = NOT_GIVEN
    parser.add_argument(
        "--audit-policy-file",
        type=Path,
        metavar="FILE",
        help="which calls the audit log keeps, as Kubernetes' audit policies say it (default: what "
        "users change, what is refused, and who reads Secrets)",
    )
    parser.add_argument(
        "--audit-log-path",
        default=default.path,
        metavar="FILE",
        help=f'where the audit log is written; "{_NOWHERE}": nowhere (default: '
        "DATA_DIR/audit/audit.log)",
    )
    parser.add_argument(
        "--audit-log-maxsize",
        type=_count(1, 1024),
        default=default.size_mebibytes,
        metavar="MIB",
        help="when the audit log is that large, a new file begins (default: %(default)s)",
    )
    parser.add_argument(
        "--audit-log-maxbackup",
        type=_count(0, 1000),
        default=default.backups,
        metavar="N",
        help="how many older files of the audit log are kept (default: %(default)s)",
    )


def _count(low: int, high: int) -> Callable[[str], int]:
    def count(text: str) -> int:
        if len(text) > _DIGITS_MAX or not text.isdecimal() or not low <= int(text) <= high:
            raise argparse.ArgumentTypeError(f"expected {low} to {high}, got {text!r}")
        return int(text)

    return count


def audit_arguments(given: argparse.Namespace) -> AuditArguments:
    """Return the flags' values."""
    return AuditArguments(
        given.audit_policy_file,
        given.audit_log_path,
        given.audit_log_maxsize,
        given.audit_log_maxbackup,
    )


def audit_log(given: AuditArguments, data_dir: Path, known: KnownKinds) -> AuditLog | None:
    """Return the audit log that the flags describe; None if there is to be none.

    Raises:
        PolicyError: The policy is malformed.
        OSError: The policy cannot be read.
    """
    if given.path == _NOWHERE:
        return None
    # Imported late: clients of the API need none of it.
    from podraft.server.audit.audit_log import AuditLog
    from podraft.server.audit.describing import Describer
    from podraft.server.audit.files import RotatingFile
    from podraft.server.audit.policy import DEFAULT

    policy = DEFAULT if given.policy is None else _policy_in(given.policy)
    path = Path(given.path) if given.path else data_dir / "audit" / "audit.log"
    file = RotatingFile(path, given.size_mebibytes << 20, given.backups)
    return AuditLog(policy, Describer(known), file)


def _policy_in(path: Path) -> Policy:
    import yaml

    from podraft.server.audit.policy import PolicyError, policy_of

    data = path.read_bytes()
    if len(data) > _POLICY_BYTES_MAX:
        raise PolicyError(f"{path}: has more than {_POLICY_BYTES_MAX} bytes")
    try:
        return policy_of(yaml.safe_load(data))
    except (yaml.YAMLError, RecursionError) as error:
        raise PolicyError(f"{path}: is no YAML: {error}".replace("\n", " ")) from None
    except PolicyError as error:
        raise PolicyError(f"{path}: {error}") from None
