"""Writing the files that follow from the registry of kinds: services, the SDK's properties, pages.

This runs between two compilations: the registry needs the code of the kinds' messages, and the
files written here are then compiled, too.
"""

from __future__ import annotations

import sys
from pathlib import Path

from contract import kubectl_page, services, support_page, typed_client

_ROOT = Path(__file__).parents[2]


def written() -> dict[Path, str]:
    """Return the text of every file that follows from the registry, by its path."""
    from podraft.api.kinds import BUILT_IN
    from podraft.api.views import VIEWS
    from podraft.cli.app import cli

    every = (*BUILT_IN, *BUILT_IN.answered(), *(view.kind for view in VIEWS))
    files = {_ROOT / "protos" / services.path_of(kind): services.text_of(kind) for kind in every}
    return {
        **files,
        **{
            _ROOT / sort.path: typed_client.text_of(BUILT_IN, sort)
            for sort in (typed_client.ASYNC, typed_client.SYNC)
        },
        _ROOT / kubectl_page.PATH: kubectl_page.text_of(cli),
        _ROOT / support_page.PATH: support_page.text_of(BUILT_IN, VIEWS),
    }


def main() -> None:
    """Write the files that differ, and print their names."""
    for path, text in written().items():
        if not path.exists() or path.read_text() != text:
            path.write_text(text)
            sys.stdout.write(f"wrote {path.relative_to(_ROOT)}\n")


if __name__ == "__main__":
    main()
