"""What `diff` shows and what `set image` changes."""

from __future__ import annotations

import pytest

from podraft.api import codec
from podraft.cli.errors import CliError
from podraft.cli.plans.images import images_of, with_images
from podraft.cli.plans.unified import difference


def secret(**data: str) -> object:
    return codec.from_json(
        {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s", "uid": "1"}, "data": data}
    )


def deployment() -> object:
    containers = [{"name": "web", "image": "web:1"}, {"name": "log", "image": "log:1"}]
    template = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": containers}}
    return codec.from_json(
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": "d"},
            "spec": {"selector": {"matchLabels": {"a": "b"}}, "template": template},
        }
    )


def images(workload: object) -> list[str]:
    spec = codec.to_json(workload)["spec"]["template"]["spec"]  # type: ignore[arg-type]  # any workload
    return [container["image"] for container in spec["containers"]]


def test_a_secret_is_told_to_differ_without_its_values() -> None:
    lines = difference("secret/s", secret(a="b2xk", same="eA=="), secret(a="bmV3", same="eA=="))
    assert lines[:2] == ["--- live/secret/s", "+++ applied/secret/s"]
    assert "-  a: '*** (before)'" in lines
    assert "+  a: '*** (after)'" in lines
    assert "   same: '***'" in lines
    assert not any(value in "\n".join(lines) for value in ("b2xk", "bmV3", "eA=="))


def test_a_new_object_is_added_whole_without_what_servers_write() -> None:
    lines = difference("secret/s", None, secret(a="b2xk"))
    assert all(line.startswith("+") for line in lines[3:])
    assert "+kind: Secret" in lines
    assert not any("uid" in line for line in lines)


def test_the_same_has_no_difference() -> None:
    assert difference("secret/s", secret(a="b2xk"), secret(a="b2xk")) == []


def test_images_change_by_name_or_all_at_once_and_the_original_stays() -> None:
    original = deployment()
    assert images(with_images(original, {"log": "log:2"})) == ["web:1", "log:2"]
    assert images(with_images(original, {"*": "all:3"})) == ["all:3", "all:3"]
    assert images(original) == ["web:1", "log:1"]


def test_an_unknown_container_is_refused_with_those_there_are() -> None:
    with pytest.raises(CliError, match="web, log"):
        with_images(deployment(), {"wed": "x"})


@pytest.mark.parametrize("words", [[], ["web="], ["=image"], ["web=a", "web=b"]])
def test_assignments_that_cannot_be_meant_are_refused(words: list[str]) -> None:
    with pytest.raises(CliError):
        images_of(words)


def test_an_image_with_a_tag_and_a_digest_is_one_value() -> None:
    assert images_of(["web=registry:5000/a@sha256:0=0"]) == {"web": "registry:5000/a@sha256:0=0"}
