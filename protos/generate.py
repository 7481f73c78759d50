"""Generate the typed Python code of the protobuf contract, beside each ``.proto``.

Owns: which generators run and where their output goes.  Used by the build (a
hatchling hook, see ``pyproject.toml``) and by hand after editing a contract:
``python protos/generate.py``.  Nothing that it writes is ever committed.

Besides the ``*_pb2*`` modules it writes ``podraft/api/descriptors.binpb``: the
contract's descriptors *with comments*, which ``podraft explain`` prints.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from hatchling.builders.config import BuilderConfig
from hatchling.builders.hooks.plugin.interface import BuildHookInterface

GENERATED = ("*_pb2.py", "*_pb2.pyi", "*_pb2_grpc.py", "*_pb2_grpc.pyi", "descriptors.binpb")


def generate(root: Path) -> None:
    """Compile every ``.proto`` below ``root``; the output lies beside its source.

    Raises:
        SystemExit: A contract does not compile; protoc has printed why.
    """
    import grpc_tools
    from grpc_tools import protoc

    sources = sorted(str(path.relative_to(root)) for path in root.rglob("*.proto"))
    well_known_types = Path(grpc_tools.__file__).parent / "_proto"
    generators = Path(sys.executable).parent / "protoc-gen-mypy_grpc"
    status = protoc.main(
        [
            "protoc",
            f"-I{root}",
            f"-I{well_known_types}",
            f"--plugin=protoc-gen-mypy_grpc={_plugin_path(generators)}",
            f"--python_out={root}",
            f"--pyi_out={root}",
            f"--grpc_python_out={root}",
            f"--mypy_grpc_out={root}",
            f"--descriptor_set_out={root / 'podraft/api/descriptors.binpb'}",
            "--include_source_info",
            *sources,
        ]
    )
    if status != 0:
        raise SystemExit(f"protoc failed with status {status}")


def _plugin_path(beside_python: Path) -> str:
    """Return the generator of service stubs; a build environment has it on its PATH only."""
    import shutil

    found = shutil.which("protoc-gen-mypy_grpc")
    if beside_python.exists():
        return str(beside_python)
    if found is None:
        raise SystemExit("protoc-gen-mypy_grpc is missing: pip install mypy-protobuf")
    return found


class ProtoBuildHook(BuildHookInterface[BuilderConfig]):
    """Generates the code at every build, editable ones included."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Run the generators, then tell the builder to pack their git-ignored output."""
        generate(Path(self.root, "protos"))
        build_data["artifacts"] += GENERATED


if __name__ == "__main__":
    generate(Path(__file__).parent)
