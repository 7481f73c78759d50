"""Volumes' files: what they hold, that they change at once, and that no path leads out."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from podraft.agent.pods.core.environment import ConfigurationError
from podraft.agent.volumes import atomic_writer, files, subpath
from podraft.agent.volumes.payload import File, config_map_payload
from podraft.api.core.v1 import config_pb2, volume_pb2


def source(*items: tuple[str, str], optional: bool = False) -> volume_pb2.ConfigMapVolumeSource:
    made = volume_pb2.ConfigMapVolumeSource(optional=optional)
    made.local_object_reference.name = "settings"
    for key, path in items:
        made.items.add(key=key, path=path)
    return made


def test_items_choose_keys_and_name_files() -> None:
    found = config_pb2.ConfigMap(data={"a": "1", "b": "2"})
    assert config_map_payload(source(("a", "dir/x")), found) == {"dir/x": File(b"1", 0o644)}


def test_a_missing_map_or_key_is_named_unless_optional() -> None:
    with pytest.raises(ConfigurationError, match='ConfigMap "settings" not found'):
        config_map_payload(source(), None)
    with pytest.raises(ConfigurationError, match='key "a" in ConfigMap "settings"'):
        config_map_payload(source(("a", "a")), config_pb2.ConfigMap())
    assert config_map_payload(source(optional=True), None) == {}


@pytest.mark.parametrize("path", ["/etc/passwd", "../x", "a/../../x", "..data", ""])
def test_an_item_cannot_leave_its_volume(path: str) -> None:
    with pytest.raises(ConfigurationError, match="must be relative"):
        config_map_payload(source(("a", path)), config_pb2.ConfigMap(data={"a": "1"}))


def test_a_volume_shows_exactly_its_payload_after_any_sequence(tmp_path: Path) -> None:
    payloads = [
        {"a": File(b"1", 0o644), "d/e": File(b"2", 0o600)},
        {"a": File(b"3", 0o400)},
        {},
        {"d": File(b"4", 0o644)},
    ]
    for payload in payloads:
        assert atomic_writer.write(tmp_path, payload)
        assert not atomic_writer.write(tmp_path, payload)
        shown = {n: (tmp_path / n).read_bytes() for n in payload}
        assert shown == {name: file.content for name, file in payload.items()}
        names = {entry.name for entry in tmp_path.iterdir() if not entry.name.startswith("..")}
        assert names == {name.partition("/")[0] for name in payload}
        hidden = [entry for entry in tmp_path.iterdir() if entry.name.startswith("..")]
        assert len(hidden) == 2, hidden


def test_a_reader_of_the_old_files_is_not_disturbed(tmp_path: Path) -> None:
    atomic_writer.write(tmp_path, {"a": File(b"old", 0o644)})
    with (tmp_path / "a").open("rb") as reader:
        atomic_writer.write(tmp_path, {"a": File(b"new", 0o644)})
        assert reader.read() == b"old"
    assert (tmp_path / "a").read_bytes() == b"new"


def test_a_subpath_is_opened_or_made_inside_its_volume(tmp_path: Path) -> None:
    volume = tmp_path / "volume"
    volume.mkdir()
    os.close(subpath.open_inside(volume, "a/b"))
    assert (volume / "a/b").is_dir()
    atomic_writer.write(volume, {"key": File(b"1", 0o644)})
    descriptor = subpath.open_inside(volume, "key")
    assert Path(f"/proc/self/fd/{descriptor}").read_bytes() == b"1"
    os.close(descriptor)


@pytest.mark.parametrize("target", ["/etc", "../outside"])
def test_a_link_in_a_volume_does_not_lead_out_of_it(tmp_path: Path, target: str) -> None:
    volume, outside = tmp_path / "volume", tmp_path / "outside"
    volume.mkdir()
    outside.mkdir()
    (volume / "link").symlink_to(target)
    with pytest.raises(ConfigurationError, match="leads out"):
        subpath.open_inside(volume, "link/made")
    assert list(outside.iterdir()) == []


def test_a_pod_does_not_get_the_nodes_stub_resolver() -> None:
    text = "nameserver 127.0.0.53\nnameserver 1.1.1.1\nsearch lan\n# comment\n"
    assert files.resolv_conf(text) == "nameserver 1.1.1.1\nsearch lan\n"
