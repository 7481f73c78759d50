"""A tool's kinds: what its cluster declares is asked for once, and forgotten afterwards."""

from __future__ import annotations

from podraft.api import kinds
from podraft.api.declared import kind_of
from podraft.api.kinds import CONFIG_MAP, NAMESPACE, AnyKind
from podraft.api.kinds.registry import LearningKinds
from podraft.api.teacher import Teacher
from support.api_objects import example


def declared() -> AnyKind:
    return kind_of(example(kinds.CUSTOM_RESOURCE_DEFINITION, "widgets"))


def test_an_unknown_name_is_asked_for_once() -> None:
    teacher, asked = Teacher(), list[int]()
    known = LearningKinds((NAMESPACE, CONFIG_MAP), teacher)
    kind = declared()

    def source() -> list[AnyKind]:
        asked.append(1)
        return [kind]

    teacher.set(source)
    assert known.by_word("cm") is CONFIG_MAP
    assert asked == []
    assert known.by_word("widgets") is kind
    assert known.by_manifest("example.com/v1", "Widgets") is kind
    assert known.by_message_name(kind.message_name) is kind
    assert known.by_word("others") is None
    assert asked == [1]


def test_what_was_learned_holds_until_the_teacher_goes() -> None:
    teacher, kind = Teacher(), declared()
    known = LearningKinds((NAMESPACE,), teacher)
    teacher.set(lambda: [kind])
    known.learn()
    assert list(known) == [NAMESPACE, kind]
    teacher.dismiss()
    assert list(known) == [NAMESPACE]
    assert known.by_word("widgets") is None


def test_a_kind_that_shares_a_name_with_a_known_one_is_left_out() -> None:
    teacher, kind, other = Teacher(), declared(), declared()
    known = LearningKinds((NAMESPACE,), teacher)
    teacher.set(lambda: [kind, other])
    known.learn()
    assert list(known) == [NAMESPACE, kind]
