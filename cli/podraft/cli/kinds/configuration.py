"""The views of ConfigMaps and Secrets; of a secret's values they show only the length."""

from __future__ import annotations

from podraft.api.characters import one_line
from podraft.api.core.v1 import config_pb2
from podraft.cli.kinds.view import Surroundings, View
from podraft.cli.output.sections import common
from podraft.cli.output.sections.layout import block
from podraft.cli.output.sections.templates import Pairs


class ConfigMapView(View[config_pb2.ConfigMap]):
    """The view of a config map, with its values."""

    def body(
        self, config_map: config_pb2.ConfigMap, around: Surroundings, now_s: float
    ) -> list[str]:
        """Return the lines of a config map without its events."""
        lines = block(common.metadata(config_map.metadata, namespaced=True))
        lines += ["", "Data", "===="]
        for key in sorted(config_map.data):
            text = [one_line(line) for line in config_map.data[key].splitlines()]
            lines += [f"{key}:", "----", *text, ""]
        for key in sorted(config_map.binary_data):
            lines += [f"{key}: {len(config_map.binary_data[key])} bytes", ""]
        return lines


class SecretView(View[config_pb2.Secret]):
    """The view of a secret, without its values."""

    def body(self, secret: config_pb2.Secret, around: Surroundings, now_s: float) -> list[str]:
        """Return the lines of a secret without its events."""
        pairs = common.metadata(secret.metadata, namespaced=True)
        pairs.append(("Type", secret.type or "Opaque"))
        sizes: Pairs = [(key, f"{len(secret.data[key])} bytes") for key in sorted(secret.data)]
        return [*block(pairs), "", "Data", "====", *block(sizes)]
