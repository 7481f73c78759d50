"""ConfigMaps and Secrets, of files, literals and environment files.  Pure: contents are given."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from podraft.cli.errors import CliError, usage
from podraft.cli.plans.made.words import metadata, without_empty

_KEY: Final = re.compile(r"[-._a-zA-Z0-9]+", re.ASCII)
_VARIABLE: Final = re.compile(r"[-._a-zA-Z][-._a-zA-Z0-9]*", re.ASCII)
# How hexadecimal digits are written in names, so that they spell no word.
_SPELLED: Final = str.maketrans("013ae", "ghkmt")
_HASH_CHARACTERS: Final = 10

Contents = dict[str, bytes]


def literals(texts: Iterable[str]) -> Contents:
    """Return the contents that ``KEY=VALUE`` words state.

    Raises:
        CliError: A word has no key or no value.
    """
    found: Contents = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals or not key:
            raise usage(f'--from-literal: expected KEY=VALUE, got "{text}"')
        add(found, key, value.encode())
    return found


def environment(text: str, name: str, variables: Callable[[str], str | None]) -> Contents:
    """Return the contents of an environment file: ``KEY=VALUE`` lines, comments, blank lines.

    A line with a key alone takes the variable of this process, if there is one.

    Raises:
        CliError: A line's key is malformed; the message names the line.
    """
    found: Contents = {}
    for number, line in enumerate(text.removeprefix("\ufeff").splitlines(), 1):
        begun = line.lstrip()
        if not begun or begun.startswith("#"):
            continue
        key, equals, value = begun.partition("=")
        if not _VARIABLE.fullmatch(key):
            raise CliError(f'{name}:{number}: "{key}" is no name of a variable')
        given = value if equals else variables(key)
        if given is not None:
            add(found, key, given.encode())
    return found


def add(contents: Contents, key: str, value: bytes) -> None:
    """Add one value.

    Raises:
        CliError: The key is malformed or taken.
    """
    if not _KEY.fullmatch(key):
        raise CliError(f'"{key}" is no key: expected letters, digits, "-", "_" and "."')
    if key in contents:
        raise CliError(f'the key "{key}" is given twice')
    contents[key] = value


def config_map(name: str, contents: Mapping[str, bytes], *, hashed: bool) -> dict[str, Any]:
    """Return a ConfigMap; contents that are no text become its ``binaryData``."""
    data: dict[str, str] = {}
    binary: dict[str, str] = {}
    for key, value in contents.items():
        try:
            data[key] = value.decode()
        except UnicodeDecodeError:
            binary[key] = base64.b64encode(value).decode()
    if hashed:
        said = {"kind": "ConfigMap", "name": name, "data": data}
        name = _with_hash(name, {**said, **({"binaryData": binary} if binary else {})})
    body = without_empty({"data": data, "binaryData": binary})
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata(name), **body}


def secret(name: str, type_: str, contents: Mapping[str, bytes], *, hashed: bool) -> dict[str, Any]:
    """Return a Secret of any type."""
    data = {key: base64.b64encode(value).decode() for key, value in contents.items()}
    if hashed:
        said = {"kind": "Secret", "name": name, "type": type_, "data": data}
        name = _with_hash(name, said)
    body = without_empty({"type": type_, "data": data})
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata(name), **body}


def registry_login(server: str, username: str, password: str, email: str) -> bytes:
    """Return the file with which a container engine logs in to a registry of images."""
    auth = base64.b64encode(f"{username}:{password}".encode()).decode()
    login = {"username": username, "password": password, "email": email, "auth": auth}
    known = {key: value for key, value in login.items() if value}
    return json.dumps({"auths": {server: known}}, separators=(",", ":")).encode()


def _with_hash(name: str, said: Mapping[str, Any]) -> str:
    """Return a name with the hash of all that an object says: other contents, another name."""
    text = json.dumps(said, separators=(",", ":"), sort_keys=True, ensure_ascii=False)
    digest = hashlib.sha256(text.encode()).hexdigest()[:_HASH_CHARACTERS]
    return f"{name}-{digest.translate(_SPELLED)}"
