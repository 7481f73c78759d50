"""Searching every file for a secret, in all forms in which it could be stored."""

from __future__ import annotations

import base64
from pathlib import Path


def forms(secret: bytes) -> list[bytes]:
    """Return ``secret`` raw, in hex, and the base64 of its inside at every offset."""
    found = [secret, secret.hex().encode(), secret.hex().upper().encode()]
    for shift in range(3):
        # Only groups of three bytes within the secret: its surroundings are not known.
        inside = secret[shift : shift + (len(secret) - shift) // 3 * 3]
        found += [base64.b64encode(inside), base64.urlsafe_b64encode(inside)]
    return found


def files_with(secret: bytes, *roots: Path) -> list[Path]:
    """Return the files at or below ``roots`` that hold ``secret`` in any form."""
    wanted = forms(secret)
    found = []
    for root in roots:
        for path in [root] if root.is_file() else sorted(root.rglob("*")):
            if path.is_file() and not path.is_symlink():
                content = path.read_bytes()
                if any(form in content for form in wanted):
                    found.append(path)
    return found
