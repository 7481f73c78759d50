"""Every element of the contract says what it is: ``podraft explain`` prints it."""

from __future__ import annotations

from podraft.api import explain, kinds


def test_every_element_of_the_contract_has_a_comment() -> None:
    comments = explain.all_comments()
    assert len(comments) > 500
    assert sorted(name for name, comment in comments.items() if not comment.strip()) == []


def test_explain_says_something_of_every_field_of_every_kind() -> None:
    def visit(doc: explain.FieldDoc, path: str) -> list[str]:
        missing = [] if doc.comment.strip() else [path]
        for child in doc.children:
            missing += visit(child, f"{path}.{child.name}")
        return missing

    for kind in kinds.BUILT_IN:
        assert visit(explain.explain_field(kind), kind.name) == []
