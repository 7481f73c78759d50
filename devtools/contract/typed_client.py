"""The SDK's typed property of each kind, as the text of a Python module.

Owns: the properties' names: a kind's plural, as Python spells it.

Invariant: pure; the text is formatted as `./dev lint` requires.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import PurePosixPath

from podraft.api.kinds import AnyKind

PATH = PurePosixPath("client/podraft/client/calls/typed_resources.py")
_WIDTH = 100
_WORD_BEGINS = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")

_HEAD = '''"""The calls of each built-in kind, as a typed property: ``client.pods``.

Written by `./dev generate` from the registry of kinds; do not edit.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TypeVar

from google.protobuf.message import Message

'''

_CLASS = '''
ObjectT = TypeVar("ObjectT", bound=Message)


class TypedResources(ABC):
    """The calls of each kind; who inherits says how those of a kind are made."""

    @abstractmethod
    def resource(self, kind: Kind[ObjectT]) -> ResourceClient[ObjectT]:
        """Return the calls of one kind."""
'''


def text_of(kinds: Iterable[AnyKind]) -> str:
    """Return the whole module, with the kinds in their order."""
    known = tuple(kinds)
    properties = "".join(_property(kind) for kind in known)
    return _HEAD + "\n".join(_imports(known)) + "\n" + _CLASS + properties


def _imports(kinds: Iterable[AnyKind]) -> Iterator[str]:
    wanted: dict[str, set[str]] = defaultdict(set)
    wanted["podraft.api"].add("kinds")
    wanted["podraft.api.kinds"].add("Kind")
    wanted["podraft.client.calls.resources"].add("ResourceClient")
    for kind in kinds:
        package, module = _module(kind)
        wanted[package].add(module)
    for package in sorted(wanted):
        names = sorted(wanted[package])
        line = f"from {package} import {', '.join(names)}"
        if len(line) > _WIDTH:
            line = "\n".join([f"from {package} import (", *(f"    {n}," for n in names), ")"])
        yield line


def _module(kind: AnyKind) -> tuple[str, str]:
    """Return the package and the module of a kind's generated message."""
    file = PurePosixPath(kind.message.DESCRIPTOR.file.name)
    return ".".join(file.parent.parts), f"{file.stem}_pb2"


def _property(kind: AnyKind) -> str:
    words = _WORD_BEGINS.sub(" ", kind.plural_name).lower()
    message = f"{_module(kind)[1]}.{kind.name}"
    name = words.replace(" ", "_")
    signature = f"    def {name}(self) -> ResourceClient[{message}]:"
    if len(signature) > _WIDTH:
        signature = f"    def {name}(\n        self,\n    ) -> ResourceClient[{message}]:"
    return f'''
    @property
{signature}
        """The calls of {words}."""
        return self.resource(kinds.{kind.field.upper()})
'''
