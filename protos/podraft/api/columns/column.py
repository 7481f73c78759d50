"""The parts of a table of objects: columns, and those that most kinds share.

Each column is a pure function of an object and the present time.  Headers, order and words are
kubectl's, so that people and scripts need not learn new ones.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from podraft.api.characters import one_line
from podraft.api.columns import ages
from podraft.api.core.v1 import pod_pb2
from podraft.api.meta.v1 import meta_pb2

NONE: Final = "<none>"
UNSET: Final = "<unset>"


@dataclass(frozen=True, slots=True)
class Column:
    """A column; `wide` ones are shown only on request, `is_status` marks the object's state."""

    header: str
    value: Callable[[Any, float], str]
    wide: bool = False
    is_status: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """The columns of a kind, and the sort key of its objects; None keeps the given order."""

    columns: tuple[Column, ...]
    order: Callable[[Any], float] | None = None

    def shown(self, *, wide: bool) -> tuple[Column, ...]:
        """Return the columns that are shown, in order."""
        return tuple(column for column in self.columns if wide or not column.wide)


def row_of(columns: Sequence[Column], obj: Any, now_s: float) -> list[str]:
    """Return an object's cells, each on one line and without control characters."""
    return [one_line(column.value(obj, now_s)) for column in columns]


def pairs(mapping: Mapping[str, str], separator: str = ",") -> str:
    """Return labels as ``a=b,c=d``."""
    return separator.join(f"{key}={mapping[key]}" for key in sorted(mapping)) or NONE


def selector_text(selector: meta_pb2.LabelSelector | Mapping[str, str]) -> str:
    """Return a label selector, or labels that are one, as users write it after ``-l``."""
    if not isinstance(selector, meta_pb2.LabelSelector):
        return pairs(selector)
    parts = [f"{key}={value}" for key, value in sorted(selector.match_labels.items())]
    for requirement in selector.match_expressions:
        values = ",".join(requirement.values)
        match requirement.operator:
            case "In":
                parts.append(f"{requirement.key} in ({values})")
            case "NotIn":
                parts.append(f"{requirement.key} notin ({values})")
            case "DoesNotExist":
                parts.append(f"!{requirement.key}")
            case _:
                parts.append(requirement.key)
    return ",".join(parts) or NONE


def first_few(items: Iterable[str], count: int = 3) -> str:
    """Return the first items and how many more there are."""
    everything = list(items)
    shown = ",".join(everything[:count])
    more = len(everything) - count
    return f"{shown} + {more} more..." if more > 0 else shown


def _name(obj: Any, now_s: float) -> str:
    return str(obj.metadata.name)


def _age(obj: Any, now_s: float) -> str:
    return ages.age(obj.metadata.creation_timestamp, now_s)


def containers(pod_spec: pod_pb2.PodSpec) -> str:
    """Return the names of the containers."""
    return ",".join(container.name for container in pod_spec.containers)


def images(pod_spec: pod_pb2.PodSpec) -> str:
    """Return the images of the containers."""
    return ",".join(container.image for container in pod_spec.containers)


NAME: Final = Column("NAME", _name)
AGE: Final = Column("AGE", _age)
TEMPLATE: Final = (
    Column("CONTAINERS", lambda obj, now_s: containers(obj.spec.template.spec), wide=True),
    Column("IMAGES", lambda obj, now_s: images(obj.spec.template.spec), wide=True),
    Column("SELECTOR", lambda obj, now_s: selector_text(obj.spec.selector), wide=True),
)
