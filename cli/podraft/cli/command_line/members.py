"""Families of commands whose members are modules of a package, imported when they are named.

Invariant: a member is there only when every kind that it makes is known.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import click
from click.core import ParameterSource

from podraft.cli.command_line.framework import Group, pass_settings


@dataclass(frozen=True, slots=True)
class Member:
    """A member of a family.

    Attributes:
        module: The module in the family's package that declares the command.
        kind: The ``apiVersion`` and kind of what it makes; empty if it needs none.
        aliases: Other names of the command.
    """

    module: str
    kind: tuple[str, str] = ("", "")
    aliases: tuple[str, ...] = ()

    def is_known(self) -> bool:
        """Return whether the kind that the command makes is known."""
        from podraft.api import kinds

        return self.kind == ("", "") or kinds.BUILT_IN.by_manifest(*self.kind) is not None


class Members(Group):
    """A family of commands that are declared in the modules of one package."""

    def __init__(self, package: str, members: Mapping[str, Member], **attributes: Any) -> None:
        self.members = members
        self._package = package
        super().__init__(**attributes)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of the members whose kinds are known, in the family's order."""
        return [name for name, member in self.members.items() if member.is_known()]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a member's module and return the command."""
        for name, member in self.members.items():
            if cmd_name == name or cmd_name in member.aliases:
                if not member.is_known():
                    return None
                module = importlib.import_module(f"{self._package}.{member.module}")
                found: click.Command = getattr(module, name.replace("-", "_"))
                return found
        return None


def members(
    name: str, package: str, members: Mapping[str, Member], **attributes: Any
) -> Callable[[Callable[..., Any]], Members]:
    """Declare a family that does something by itself, too, when no member is named."""

    def decorate(function: Callable[..., Any]) -> Members:
        declare = click.command(
            name,
            cls=Members,
            package=package,
            members=members,
            invoke_without_command=True,
            **attributes,
        )
        return declare(pass_settings(function))

    return decorate


def member_is_named() -> bool:
    """Return whether a member of the family is about to run.

    Raises:
        UsageError: An option that the family has for itself was given as well.
    """
    context = click.get_current_context()
    if context.invoked_subcommand is None:
        return False
    for parameter in context.command.params:
        given = context.get_parameter_source(parameter.name or "") == ParameterSource.COMMANDLINE
        if given and parameter.expose_value:
            raise click.UsageError(f"{parameter.opts[-1]} stands after the kind, or goes without")
    return True
