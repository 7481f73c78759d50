"""Generate the typed Python code of the protobuf contract, beside each ``.proto``.

Owns: which generators run and where their output goes.  Used by the build (a
hatchling hook, see ``pyproject.toml``) and, as ``./dev generate``, by hand after editing a
contract or the registry of kinds.  Nothing that it compiles is ever committed.

By hand it also has ``devtools/contract`` write what follows from the registry: the services of
the kinds and the SDK's typed properties.  These files are committed; a build finds them.

Besides the ``*_pb2*`` modules it writes ``podraft/api/descriptors.binpb``: the
contract's descriptors *with comments*, which ``podraft explain`` prints.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterable
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
    generators = Path(sys.executable).parent / "protoc-gen-mypy_grpc"
    _compile(
        root,
        root.rglob("*.proto"),
        f"--plugin=protoc-gen-mypy_grpc={_plugin_path(generators)}",
        f"--python_out={root}",
        f"--pyi_out={root}",
        f"--grpc_python_out={root}",
        f"--mypy_grpc_out={root}",
        f"--descriptor_set_out={root / 'podraft/api/descriptors.binpb'}",
        "--include_source_info",
    )


def write_what_follows(root: Path) -> None:
    """Write the files that follow from the registry of kinds, after compiling the kinds' messages.

    Raises:
        SystemExit: A contract does not compile, or the registry cannot be read.
    """
    messages = (path for path in root.rglob("*.proto") if not path.stem.endswith("_service"))
    _compile(root, messages, f"--python_out={root}")
    paths = (root.parent / "devtools", root, root.parent / "client")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, paths))}
    command = [sys.executable, "-m", "contract"]
    if (status := subprocess.run(command, env=environment, check=False).returncode) != 0:
        raise SystemExit(status)


def _compile(root: Path, sources: Iterable[Path], *arguments: str) -> None:
    import grpc_tools
    from grpc_tools import protoc

    names = sorted(str(path.relative_to(root)) for path in sources)
    well_known_types = Path(grpc_tools.__file__).parent / "_proto"
    status = protoc.main(["protoc", f"-I{root}", f"-I{well_known_types}", *arguments, *names])
    if status != 0:
        raise SystemExit(f"protoc failed with status {status}")


def _plugin_path(beside_python: Path) -> str:
    """Return the generator of service stubs, which a build environment has only on its PATH."""
    import shutil

    found = shutil.which("protoc-gen-mypy_grpc")
    if beside_python.exists():
        return str(beside_python)
    if found is None:
        raise SystemExit("protoc-gen-mypy_grpc is missing: pip install mypy-protobuf")
    return found


class ProtoBuildHook(BuildHookInterface[BuilderConfig]):
    """A build hook that generates the code at every build, editable ones included."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Run the generators, then tell the builder to pack their git-ignored output."""
        generate(Path(self.root, "protos"))
        build_data["artifacts"] += GENERATED


if __name__ == "__main__":
    write_what_follows(Path(__file__).parent)
    generate(Path(__file__).parent)
