"""ConfigMaps: keys, sizes and immutability."""

from __future__ import annotations

from typing import Final

from podraft.api.core.v1.config_pb2 import ConfigMap
from podraft.server.kinds.report import Report
from podraft.server.kinds.rules import Rules
from podraft.server.kinds.shared.data import check_immutable, check_keys, check_size


def _check(config_map: ConfigMap, report: Report) -> None:
    """Check a ConfigMap."""
    check_keys(config_map.data, "data", report)
    if config_map.binary_data:
        check_keys(config_map.binary_data, "binaryData", report)
        for key in sorted(set(config_map.data).intersection(config_map.binary_data)):
            report.add(f"binaryData[{key}]", "duplicate: data has this key, too")
    text_size = sum(
        len(text) if text.isascii() else len(text.encode()) for text in config_map.data.values()
    )
    check_size(text_size + sum(map(len, config_map.binary_data.values())), "data", report)


def _check_change(stored: ConfigMap, config_map: ConfigMap, report: Report) -> None:
    """Check that an immutable ConfigMap stays as it is."""
    check_immutable(
        stored,
        config_map,
        {
            "data": stored.data != config_map.data,
            "binaryData": stored.binary_data != config_map.binary_data,
        },
        report,
    )


RULES: Final[Rules[ConfigMap]] = Rules(check=_check, check_change=_check_change)
