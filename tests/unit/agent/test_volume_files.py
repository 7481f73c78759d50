"""Volumes' files: what they hold, that they change at once, and that no path leads out."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from podraft.agent.podman.core.errors import ConfigurationError
from podraft.agent.volumes import atomic_writer, subpath
from podraft.agent.volumes.core import files
from podraft.agent.volumes.core.payload import Configuration, File, config_map_payload
from podraft.agent.volumes.manager import VolumeManager
from podraft.api.core.v1 import config_pb2, volume_pb2
from unit.agent.pod_world import make_pod


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
    volume.chmod(0o2777)
    os.close(subpath.open_inside(volume, "a/b"))
    assert [(volume / made).stat().st_mode & 0o7777 for made in ("a", "a/b")] == [0o2777] * 2
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
    node = b"nameserver 127.0.0.53\nnameserver 1.1.1.1\nsearch lan\n# comm\xe9nt\n"
    assert files.resolv_conf(node) == b"nameserver 1.1.1.1\nsearch lan\n"


def test_the_files_of_a_payload_are_never_read_back(tmp_path: Path) -> None:
    content = {"a": File(b"1", 0o644), "b": File(b"2", 0o600)}
    atomic_writer.write(tmp_path, content)
    (tmp_path / "..data/a").unlink()
    os.mkfifo(tmp_path / "..data/a")
    assert not atomic_writer.write(tmp_path, content), "a reader of the pipe would wait for ever"
    assert atomic_writer.write(tmp_path, content | {"b": File(b"3", 0o600)})
    assert (tmp_path / "a").read_bytes() == b"1"


@pytest.mark.parametrize(
    "changed",
    [
        {"a": File(b"1", 0o600)},
        {"b": File(b"1", 0o644)},
        {"a": File(b"1", 0o644), "b": File(b"", 0o644)},
        {},
    ],
)
def test_every_difference_between_payloads_is_seen(
    tmp_path: Path, changed: dict[str, File]
) -> None:
    atomic_writer.write(tmp_path, {"a": File(b"1", 0o644)})
    assert atomic_writer.write(tmp_path, changed)
    assert atomic_writer.write(tmp_path, changed, os.getgid())


@pytest.mark.parametrize(
    "path", ["a\0b", "..", "a/../../b", "/etc", pytest.param("a/" * 500_000, id="long")]
)
def test_a_subpath_that_is_none_is_named(tmp_path: Path, path: str) -> None:
    with pytest.raises(ConfigurationError, match="subPath"):
        subpath.open_inside(tmp_path, path)
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_made_where_only_a_look_was_asked_for(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        subpath.open_inside(tmp_path, "a", make=False)
    assert list(tmp_path.iterdir()) == []


def test_a_file_is_made_inside_and_never_over_a_link(tmp_path: Path) -> None:
    volume, outside = tmp_path / "volume", tmp_path / "outside"
    volume.mkdir()
    subpath.make_file_inside(volume, "deep/file")
    assert (volume / "deep/file").read_bytes() == b""
    (volume / "link").symlink_to(outside)
    subpath.make_file_inside(volume, "link")
    assert not outside.exists()


def _pod_with_files(manager: VolumeManager) -> list[Path]:
    pod = make_pod("main", "side")
    return [
        Path(mount.source)
        for container in pod.spec.containers
        for mount in manager.write_files(pod, container, "10.0.0.9")
        if mount.destination == "/etc/hosts"
    ]


def test_each_container_has_its_own_files_and_they_are_never_read_back(tmp_path: Path) -> None:
    manager = VolumeManager(tmp_path, "n1")
    main, side = _pod_with_files(manager)
    written = main.read_bytes()
    # What a container may do to a file that it has mounted: make it huge, or no text.
    with main.open("r+b") as of_container:
        of_container.truncate(1 << 31)
        side.write_bytes(b"\xff\xfe")
        assert _pod_with_files(manager) == [main, side]
        assert os.fstat(of_container.fileno()).st_size == 1 << 31, "it keeps the one that it has"
    assert main.read_bytes() == side.read_bytes() == written


def test_a_container_keeps_the_mode_that_it_gave_its_volume(tmp_path: Path) -> None:
    manager = VolumeManager(tmp_path, "n1")
    data = _volume(manager)
    assert data.stat().st_mode & 0o7777 == 0o777
    data.chmod(0o700)
    assert _volume(manager) == data
    assert data.stat().st_mode & 0o7777 == 0o700


def test_a_source_that_cannot_be_mounted_is_named_and_no_empty_folder_takes_its_place(
    tmp_path: Path,
) -> None:
    pod = make_pod()
    volume = pod.spec.volumes.add(name="data")
    volume.volume_source.persistent_volume_claim.claim_name = "data"
    with pytest.raises(ConfigurationError, match='"data": persistentVolumeClaim is not supported'):
        VolumeManager(tmp_path, "n1").prepare(pod, Configuration())
    assert list((tmp_path / "pods" / pod.metadata.uid / "volumes").iterdir()) == []


def test_folders_nested_without_end_do_not_keep_a_pod(tmp_path: Path) -> None:
    manager = VolumeManager(tmp_path, "n1")
    deepest = os.open(_volume(manager), os.O_DIRECTORY)
    for _ in range(1100):
        os.mkdir("d", dir_fd=deepest)
        deeper = os.open("d", os.O_DIRECTORY, dir_fd=deepest)
        os.close(deepest)
        deepest = deeper
    os.close(deepest)
    manager.remove("uid-1")
    assert manager.uids() == []


def _volume(manager: VolumeManager) -> Path:
    pod = make_pod("main")
    pod.spec.volumes.add(name="data").volume_source.empty_dir.SetInParent()
    manager.prepare(pod, Configuration())
    return manager.directory("uid-1") / "volumes/data"
