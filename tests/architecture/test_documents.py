"""The map is true: what the documents name is there."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import unquote

import pytest

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
_ROOTS = {part: ROOT / part / "podraft" / part for part in ("server", "agent", "cli", "client")} | {
    "api": ROOT / "protos" / "podraft" / "api"
}
_MODULE = re.compile(r"\b(server|agent|cli|client|api)((?:/[a-z_]+)+)\b(?!/?\.)")
_LINK = re.compile(r"\]\(([^)#:]+)(?:#[^)]*)?\)")


def test_every_stop_of_the_ways_is_a_room_or_a_module() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text()
    ways = text.partition("## Three ways")[2].partition("\n## ")[0]
    stops = _MODULE.findall(ways)
    assert len(stops) > 25
    missing = [
        part + below
        for part, below in stops
        if not (place := _ROOTS[part] / below[1:]).is_dir()
        and not place.with_suffix(".py").is_file()
    ]
    assert not missing


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_between_documents_lead_somewhere(document: Path) -> None:
    links = [unquote(link) for link in _LINK.findall(document.read_text())]
    assert [link for link in links if not (document.parent / link).exists()] == []


def test_the_glossary_is_in_order_and_says_each_word_once() -> None:
    rows = (ROOT / "docs" / "glossary.md").read_text().splitlines()
    words = [row.split("|")[1].strip().casefold() for row in rows if row.startswith("| ")][1:]
    assert len(set(words)) == len(words) > 50
    assert words == sorted(words)
