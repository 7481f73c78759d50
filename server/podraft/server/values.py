"""Values: small records that never change.

Owns: the decorator for records that are made for each write or message.  A frozen dataclass sets
each field through ``object.__setattr__``, which makes a record four times as expensive to create;
here only the type checker keeps records from being changed.

Invariant: values are equal, and hash equally, if all their fields are equal.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeVar, dataclass_transform

ClassT = TypeVar("ClassT")


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def value(of: type[ClassT]) -> type[ClassT]:
    """Make a class a dataclass with slots whose fields are set when it is made, and never again."""
    return dataclass(slots=True, unsafe_hash=True)(of)
