"""A command's targets as users write them: ``pods``, ``pod web``, ``svc/web,deploy/web``.

Pure: words in, kinds and names out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from podraft.api import kinds
from podraft.cli.errors import CliError, usage


@dataclass(frozen=True, slots=True)
class Target:
    """A kind, and the name of one of its objects or None for all.

    ``namespace`` is where a manifest says that the object is; None where the command works.
    """

    kind: kinds.AnyKind
    name: str | None = None
    namespace: str | None = None


def word_of(kind: kinds.AnyKind, name: str) -> str:
    """Return an object's name with its kind: ``pod/web-1`` or ``deployment.apps/web``."""
    group = f".{kind.group}" if kind.group else ""
    return f"{kind.name.lower()}{group}/{name}"


def kind_of_word(word: str, *, as_form: bool = False) -> kinds.AnyKind:
    """Return the kind that a word names.

    A word with a version, such as ``events.v1``, may name another form of a stored kind: that
    form if ``as_form``, else the stored kind.

    Raises:
        CliError: There is no such kind; the message suggests a similar word.
    """
    kind = kinds.BUILT_IN.by_word(word)
    if kind is not None:
        return kind
    if "." in word:
        from podraft.api import views

        view = views.by_word(word)
        if view is not None:
            return view.kind if as_form else view.of
    from difflib import get_close_matches

    near = get_close_matches(word.lower(), list(kinds.BUILT_IN.words()), n=1)
    hint = f'did you mean "{near[0]}"?' if near else '"podraft api-resources" lists the kinds'
    raise usage(f'there is no kind "{word}"; {hint}')


def parse_targets(arguments: Sequence[str], *, as_form: bool = False) -> list[Target]:
    """Return the targets that ``KIND[,KIND] [NAME…]`` or ``KIND/NAME…`` means.

    ``as_form`` is that of `kind_of_word`.

    Raises:
        CliError: A word is no kind, or the two forms are mixed.
    """
    if not arguments:
        raise usage('say which kind, for example "pods"; "podraft api-resources" lists them')
    if any("/" in argument for argument in arguments):
        return [_slashed(argument, as_form=as_form) for argument in arguments]
    chosen = _kinds(arguments[0], as_form=as_form)
    names = list(dict.fromkeys(arguments[1:]))
    if not names:
        return [Target(kind) for kind in chosen]
    if len(chosen) > 1:
        raise usage("names can follow one kind only; for several use KIND/NAME KIND/NAME")
    return [Target(chosen[0], name) for name in names]


def one_target(argument: str, *also: str) -> Target:
    """Return the single object that ``KIND/NAME`` or ``KIND NAME`` means.

    Raises:
        CliError: The words do not mean one object.
    """
    targets = parse_targets((argument, *also))
    if len(targets) != 1 or targets[0].name is None:
        raise usage(f'expected one object as KIND/NAME, got "{" ".join((argument, *also))}"')
    return targets[0]


def name_of(target: Target) -> str:
    """Return a target's name.

    Raises:
        CliError: The target means all objects of its kind.
    """
    if target.name is None:
        raise usage(f"say which {target.kind.name}: {target.kind.name.lower()}/NAME")
    return target.name


def expect_kind(target: Target, allowed: Sequence[kinds.AnyKind], verb: str) -> None:
    """Check that a command fits the kind of a target.

    Raises:
        CliError: The command does not fit the target's kind.
    """
    if target.kind not in allowed:
        fitting = " or ".join(kind.name for kind in allowed)
        raise CliError(f"{verb} works on a {fitting}, not on a {target.kind.name}")


def _slashed(argument: str, *, as_form: bool) -> Target:
    word, slash, name = argument.partition("/")
    if not slash or not word or not name or "/" in name:
        raise usage(f'"{argument}": expected KIND/NAME, as the other arguments are written')
    return Target(kind_of_word(word, as_form=as_form), name)


def _kinds(words: str, *, as_form: bool) -> list[kinds.AnyKind]:
    chosen: list[kinds.AnyKind] = []
    for word in words.split(","):
        found = _of_category(word) or [kind_of_word(word, as_form=as_form)]
        chosen += [kind for kind in found if kind not in chosen]
    return chosen


def _of_category(word: str) -> list[kinds.AnyKind]:
    """Return the kinds that a word such as ``all`` means together, in kubectl's order."""
    found = kinds.BUILT_IN.of_category(word)
    return sorted(found, key=lambda kind: (kind.group, kind.resource))
