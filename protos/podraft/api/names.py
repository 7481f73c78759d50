"""The grammars of names, labels and keys.

Owns: what each kind of name may look like.  Every function returns None for a
valid text, else a sentence that says what is expected.
"""

from __future__ import annotations

import re
from functools import lru_cache

_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_LABEL_1035 = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")
_SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_QUALIFIED = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?")
_PORT = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_DATA_KEY = re.compile(r"[-._A-Za-z0-9]+")

_PATH = re.compile(r"[A-Za-z0-9/\-._~%!$&'()*+,;=:]+")

_LABEL_RULE = (
    "must consist of lower case letters, digits and '-', and start and end with a letter or digit"
)
_SUBDOMAIN_RULE = (
    "must consist of lower case letters, digits, '-' and '.', "
    "and each part between dots must start and end with a letter or digit"
)
_QUALIFIED_RULE = (
    "must consist of letters, digits, '-', '_' and '.', and start and end with a letter or digit"
)


def dns_label(text: str) -> str | None:
    """Check a DNS label: the name of a namespace, container or volume."""
    if not 0 < len(text) <= 63:
        return f"must be 1 to 63 characters, is {len(text)}"
    return None if _LABEL.fullmatch(text) else _LABEL_RULE


def dns_label_1035(text: str) -> str | None:
    """Check a DNS label that starts with a letter: the name of a service."""
    if not 0 < len(text) <= 63:
        return f"must be 1 to 63 characters, is {len(text)}"
    if _LABEL_1035.fullmatch(text):
        return None
    return (
        "must consist of lower case letters, digits and '-', "
        "start with a letter and end with a letter or digit"
    )


def dns_subdomain(text: str) -> str | None:
    """Check a DNS subdomain: the name of most other objects."""
    if not 0 < len(text) <= 253:
        return f"must be 1 to 253 characters, is {len(text)}"
    return None if _SUBDOMAIN.fullmatch(text) else _SUBDOMAIN_RULE


def dns_wildcard(text: str) -> str | None:
    """Check a host of an Ingress: a DNS subdomain whose first label may be ``*``."""
    if "*" not in text:
        return dns_subdomain(text)
    rest = text.removeprefix("*.")
    if rest == text or "*" in rest:
        return "may have a '*' only as its whole first part: *.example.com"
    return dns_subdomain(rest)


def domain_path(text: str) -> str | None:
    """Check a name below a domain, such as that of a controller: ``example.com/a/b``."""
    domain, slash, path = text.partition("/")
    if not slash or not path:
        return "must be a domain and a path: example.com/name"
    if (problem := dns_subdomain(domain)) is not None:
        return f"its domain before '/' {problem}"
    return None if _PATH.fullmatch(path) else "its path after the domain has characters of no URL"


def path_segment(text: str) -> str | None:
    """Check the name of a role or a binding: anything that can stand in a path, such as ``a:b``."""
    if not 0 < len(text) <= 253:
        return f"must be 1 to 253 characters, is {len(text)}"
    if text in (".", ".."):
        return "must not be '.' or '..'"
    if "/" in text or "%" in text or not text.isprintable():
        return "must not contain '/', '%' or characters that cannot be printed"
    return None


def qualified(text: str) -> str | None:
    """Check a qualified name, such as a label's key: ``name`` or ``example.com/name``."""
    # No valid name is longer, and the cached texts stay small.
    return (_qualified_cached if len(text) <= 253 + 1 + 63 else _qualified)(text)


def _qualified(text: str) -> str | None:
    prefix, slash, name = text.rpartition("/")
    if slash:
        problem = dns_subdomain(prefix)
        if problem is not None:
            return f"its prefix before '/' {problem}"
    if not 0 < len(name) <= 63:
        return f"its name must be 1 to 63 characters, is {len(name)}"
    return None if _QUALIFIED.fullmatch(name) else f"its name {_QUALIFIED_RULE}"


_qualified_cached = lru_cache(maxsize=4096)(_qualified)


def label_key(text: str) -> str | None:
    """Check the key of a label."""
    return qualified(text)


def label_value(text: str) -> str | None:
    """Check the value of a label; it may be empty."""
    if not text:
        return None
    if len(text) > 63:
        return f"must be at most 63 characters, is {len(text)}"
    return _label_value(text)


@lru_cache(maxsize=4096)
def _label_value(text: str) -> str | None:
    return None if _QUALIFIED.fullmatch(text) else _QUALIFIED_RULE


def port_name(text: str) -> str | None:
    """Check the name of a container's port: at most 15 characters, one of them a letter."""
    if not 0 < len(text) <= 15:
        return f"must be 1 to 15 characters, is {len(text)}"
    if not _PORT.fullmatch(text):
        return (
            "must consist of lower case letters, digits and single '-', "
            "and start and end with a letter or digit"
        )
    return None if any(c.isalpha() for c in text) else "must contain a letter"


def data_key(text: str) -> str | None:
    """Check a key of a ConfigMap or Secret, which becomes a file's name."""
    if not 0 < len(text) <= 253:
        return f"must be 1 to 253 characters, is {len(text)}"
    if not _DATA_KEY.fullmatch(text):
        return "must consist of letters, digits, '-', '_' and '.'"
    if text == "." or text.startswith(".."):
        return "must not be '.' or start with '..'"
    return None


def environment_variable(text: str) -> str | None:
    """Check the name of an environment variable."""
    if not text:
        return "is required"
    if "=" in text or not text.isprintable() or not text.isascii():
        return "must consist of printable ASCII characters other than '='"
    return None


def api_version(text: str) -> str | None:
    """Check an API version: ``v1`` or ``group/v1``."""
    group, slash, version = text.rpartition("/")
    if slash and (problem := dns_subdomain(group)):
        return f"its group before '/' {problem}"
    return None if version and _LABEL.fullmatch(version) else "must look like v1 or apps/v1"
