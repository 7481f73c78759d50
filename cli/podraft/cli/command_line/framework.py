"""The declaration of commands: global options anywhere, loading on demand, clean ends.

Invariants: a command's module is imported only when that command is named; however
a command ends, it gives its documented exit code and no traceback.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from podraft.api.teacher import TEACHER
from podraft.cli import errors
from podraft.cli.command_line.durations import DURATION
from podraft.cli.command_line.settings import DEFAULT_REQUEST_TIMEOUT_S, Settings
from podraft.cli.output import printing

_HELP = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


def settings_of(context: click.Context) -> Settings:
    """Return the global options; create them on first use."""
    root = context.find_root()
    if root.obj is None:
        root.obj = Settings()
    settings: Settings = root.obj
    return settings


def _store(field: str) -> Callable[[click.Context, click.Parameter, Any], Any]:
    def callback(context: click.Context, parameter: click.Parameter, value: Any) -> Any:
        if value not in (None, 0, ()):
            setattr(settings_of(context), field, value)
        return value

    return callback


def complete_kinds(context: click.Context, parameter: click.Parameter, word: str) -> list[str]:
    """Return the kinds that begin with ``word``, for the shell's completion."""
    from podraft.api import kinds

    return [known for known in sorted(kinds.BUILT_IN.words()) if known.startswith(word.lower())]


def global_options(*, hidden: bool) -> list[click.Option]:
    """Return the options that stand before or after a command's name."""

    def option(*names: str, field: str, text: str, **attributes: Any) -> click.Option:
        return click.Option(
            names,
            expose_value=False,
            is_eager=True,
            hidden=hidden,
            callback=_store(field),
            help=text,
            **attributes,
        )

    return [
        option("-n", "--namespace", field="namespace", text="The namespace to work in."),
        option(
            "--config",
            field="config",
            type=click.Path(path_type=Path),
            text="The file with clusters and credentials. [$PODRAFT_CONFIG, ~/.podraft/config]",
        ),
        option("--context", field="context", text="The context in that file to use."),
        option("--as", field="as_user", text="The user to act as; you must be allowed to."),
        option(
            "--as-group",
            field="as_groups",
            multiple=True,
            text="A group to act as a member of; may be repeated.",
        ),
        option(
            "--request-timeout",
            field="request_timeout_s",
            type=DURATION,
            text=f"How long one request may take, 0 for ever. [{DEFAULT_REQUEST_TIMEOUT_S:g}s]",
        ),
        option(
            "--color",
            field="colour",
            type=click.Choice(["auto", "always", "never"]),
            text="Whether to colour the output. [auto, $NO_COLOR]",
        ),
        option(
            "-v",
            "--verbose",
            field="verbosity",
            count=True,
            text="Say on standard error which server is asked, and how long it took.",
        ),
    ]


class Command(click.Command):
    """A command that takes the global options after its name as well."""

    def __init__(self, *arguments: Any, **attributes: Any) -> None:
        attributes.setdefault("context_settings", _HELP)
        super().__init__(*arguments, **attributes)
        self.params.extend(global_options(hidden=True))
        self.epilog = self.epilog or 'See "podraft --help" for the options of every command.'

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse arguments; ``--wait=false`` and ``--watch=true`` mean what they mean to kubectl."""
        flags = {
            name: parameter
            for parameter in self.params
            if isinstance(parameter, click.Option) and parameter.is_flag
            for name in parameter.opts
        }
        return super().parse_args(ctx, list(_plain_flags(args, flags)))


def _plain_flags(args: Sequence[str], flags: Mapping[str, click.Option]) -> Iterator[str]:
    """Yield arguments, with ``--flag=true`` and ``--flag=false`` rewritten as click spells them."""
    for index, argument in enumerate(args):
        if argument == "--":
            yield from args[index:]
            return
        name, _, value = argument.partition("=")
        flag = flags.get(name)
        if flag is None or value not in ("true", "false"):
            yield argument
        elif value == "true":
            yield name
        elif flag.secondary_opts:
            yield flag.secondary_opts[0]


def pass_settings(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the global options as its first argument."""
    from functools import wraps

    @wraps(function)
    def with_settings(*arguments: Any, **options: Any) -> Any:
        context = click.get_current_context()
        settings, root = settings_of(context), context.find_root().command
        if isinstance(root, Root):
            TEACHER.set(lambda: root.declared(settings))
        try:
            return function(settings, *arguments, **options)
        finally:
            TEACHER.dismiss()

    return with_settings


def command(name: str, **attributes: Any) -> Callable[[Callable[..., Any]], Command]:
    """Declare a command; its function gets `Settings` first, then its own parameters."""

    def decorate(function: Callable[..., Any]) -> Command:
        return click.command(name, cls=Command, **attributes)(pass_settings(function))

    return decorate


class Group(click.Group):
    """A family of commands, such as ``rollout status``."""

    command_class = Command

    def __init__(self, *arguments: Any, **attributes: Any) -> None:
        attributes.setdefault("context_settings", _HELP)
        super().__init__(*arguments, **attributes)
        self.params.extend(global_options(hidden=True))

    def add(self, name: str, **attributes: Any) -> Callable[[Callable[..., Any]], Command]:
        """Declare a command of the family."""

        def decorate(function: Callable[..., Any]) -> Command:
            made = command(name, **attributes)(function)
            self.add_command(made)
            return made

        return decorate


@dataclass(frozen=True, slots=True)
class Section:
    """A part of the list of commands, and the folder below `commands` that holds it."""

    title: str
    folder: str


@dataclass(frozen=True, slots=True)
class Entry:
    """A command's module, and its line in the list of commands."""

    module: str
    summary: str
    section: Section

    @property
    def path(self) -> str:
        """The full name of the command's module."""
        return f"podraft.cli.commands.{self.section.folder}.{self.module}"


class Root(click.Group):
    """The root command, which lists commands without importing them.

    ``declared`` returns the kinds that users of the cluster have declared, for commands that meet
    names which are not built in.
    """

    def __init__(
        self,
        entries: Mapping[str, Entry],
        declared: Callable[[Settings], Iterable[Any]],
        **attributes: Any,
    ) -> None:
        super().__init__(context_settings=_HELP, **attributes)
        self.entries = entries
        self.declared = declared
        self.params.extend(global_options(hidden=False))

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the commands' names, in the order of the list."""
        return list(self.entries)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command's module and return the command."""
        entry = self.entries.get(cmd_name)
        if entry is None:
            return None
        module = importlib.import_module(entry.path)
        found: click.Command = getattr(module, cmd_name.replace("-", "_"), None) or module.command
        return found

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command, or suggest a similar one."""
        name = args[0]
        if name not in self.entries and not name.startswith("-"):
            self._run_plugin(ctx, args)
            from difflib import get_close_matches

            near = get_close_matches(name, list(self.entries), n=1)
            hint = f' Did you mean "{near[0]}"?' if near else ""
            raise click.UsageError(f'No such command "{name}".{hint}', ctx)
        return super().resolve_command(ctx, args)

    def _run_plugin(self, ctx: click.Context, args: Sequence[str]) -> None:
        """Become the program that the words name, if there is one."""
        from podraft.cli.command_line.plugins import plugin_for, run_plugin

        found = plugin_for(args)
        if found is None or ctx.resilient_parsing:
            return
        if ctx.find_root().obj is not None:
            raise click.UsageError(f"options stand after the name of a plug-in: {args[0]}", ctx)
        printing.finish()
        run_plugin(*found)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands in sections."""
        sections: dict[str, list[tuple[str, str]]] = {}
        for name, entry in self.entries.items():
            sections.setdefault(entry.section.title, []).append((name, entry.summary))
        for title, rows in sections.items():
            with formatter.section(title):
                formatter.write_dl(rows)

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        windows_expand_args: bool = True,
        **extra: Any,
    ) -> Any:
        """Run a command line and, unless embedded, end the process with its exit code."""

        def run() -> Any:
            return super(Root, self).main(
                args, prog_name, complete_var, standalone_mode=False, **extra
            )

        if not standalone_mode:
            return run()
        sys.exit(_end(run))


def _end(run: Callable[[], Any]) -> int:
    """Run a command and return its exit code; print on standard error why it is not 0."""
    try:
        result = run()
        printing.finish()
    except errors.CliError as error:
        _complain(error.lines)
        return error.exit_code
    except click.ClickException as error:
        printing.say(*_lines_of(error), err=True)
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        printing.say("", err=True)
        return errors.INTERRUPTED
    except BrokenPipeError:
        return printing.reader_is_gone()
    except OSError as error:
        _complain([f"{error.filename}: {error.strerror}" if error.filename else str(error)])
        return errors.FAILURE
    except Exception as error:  # noqa: BLE001 - a bug of ours is no reason to show a traceback
        return _our_fault(error)
    return result if isinstance(result, int) else 0


def _our_fault(error: Exception) -> int:
    """Print that podraft itself has a fault; print the traceback only on request."""
    import os

    if os.environ.get("PODRAFT_TRACEBACK"):
        raise error
    _complain(
        [
            f"unexpected {type(error).__name__}: {error}",
            "  this is a bug in podraft; with PODRAFT_TRACEBACK=1 it says where",
        ]
    )
    return errors.FAILURE


def _complain(lines: Sequence[str]) -> None:
    printing.say(f"Error: {lines[0]}", *lines[1:], err=True)


def _lines_of(error: click.ClickException) -> list[str]:
    """Return click's message about a command line, which may contain anything, as lines."""
    message = error.format_message().splitlines() or [""]
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        return message
    lines: list[str] = []
    if isinstance(error, click.UsageError) and error.ctx is not None:
        lines += error.ctx.get_usage().splitlines()
        lines.append(f"Try '{error.ctx.command_path} --help' for help.")
        lines.append("")
    return [*lines, f"Error: {message[0]}", *message[1:]]
