"""The options that choose the objects of a command: by name, manifest, label or field.

Owns: how objects are chosen on a command line.  Invariant: a command that changes objects never
means all of a kind unless that is said.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import wraps
from typing import TYPE_CHECKING, Any, Final

import click

from podraft.cli.command_line.manifest_options import manifest_options

if TYPE_CHECKING:
    from podraft.cli.command_line.targets import Target


@dataclass(frozen=True, slots=True)
class Choice:
    """The objects that the options mean.

    Attributes:
        words: ``KIND NAME…`` or ``KIND/NAME…``.
        files: Manifests that name objects.
        recursive: Whether directories' directories are looked into.
        local: Whether the manifests are changed, and not the cluster.
        selector: Labels that the objects have.
        field_selector: Fields that the objects have.
        everything: Whether all objects of the kind are meant.
        all_namespaces: Whether objects in all namespaces are meant.
    """

    words: Sequence[str] = ()
    files: Sequence[str] = ()
    recursive: bool = False
    local: bool = False
    selector: str = ""
    field_selector: str = ""
    everything: bool = False
    all_namespaces: bool = False

    def targets(self) -> list[Target]:
        """Return the targets of the words.

        Raises:
            CliError: The options contradict each other, or mean nothing.
        """
        from podraft.cli.command_line.targets import parse_targets
        from podraft.cli.errors import usage

        if self.files:
            if self.words or self.selector or self.field_selector or self.everything:
                raise usage("-f names the objects; it goes with no other way to choose them")
            return []
        if self.local:
            raise usage("--local changes manifests: name them with -f")
        targets = parse_targets(self.words)
        named = any(target.name is not None for target in targets)
        chosen = bool(self.selector or self.field_selector or self.everything)
        if named and chosen:
            raise usage("name objects, or select them by label, field or --all, not both")
        if not named and not chosen:
            raise usage("name the objects, select them with -l, or say --all")
        return targets


_NAMES: Final = ("selector", "field_selector", "everything", "all_namespaces", "local")


def choosing(
    *, local: bool = False, everywhere: bool = True, fields: bool = True
) -> Callable[..., Any]:
    """Return a decorator that adds the options; the command gets ``choice``, without its words."""
    options = [
        manifest_options(required=False, text="The objects that these manifests name."),
        click.option("-l", "--selector", default="", help="The objects with these labels."),
        click.option("--all", "everything", is_flag=True, help="All objects of the kind."),
    ]
    if fields:
        options.append(
            click.option("--field-selector", default="", help="The objects with these fields.")
        )
    if everywhere:
        options.append(
            click.option("-A", "--all-namespaces", is_flag=True, help="In all namespaces.")
        )
    if local:
        options.append(
            click.option("--local", is_flag=True, help="Change what -f names; ask no server.")
        )

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(function)
        def with_choice(
            *arguments: Any, files: tuple[str, ...], recursive: bool, **others: Any
        ) -> Any:
            said = {name: others.pop(name) for name in _NAMES if name in others}
            choice = Choice(files=files, recursive=recursive, **said)
            return function(*arguments, choice=choice, **others)

        decorated: Callable[..., Any] = with_choice
        for option in reversed(options):
            decorated = option(decorated)
        return decorated

    return decorate
