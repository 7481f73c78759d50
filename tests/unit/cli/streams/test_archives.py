"""An archive from a container writes nothing outside of the place that the user named."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest

from podraft.cli.errors import CliError
from podraft.cli.streams.archives import pack, unpack


def archive(*members: tarfile.TarInfo) -> io.BytesIO:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as made:
        for member in members:
            member.size = 1 if member.isfile() else 0
            made.addfile(member, io.BytesIO(b"x") if member.isfile() else None)
    file.seek(0)
    return file


def member(name: str, type_: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.mode = type_, link, 0o777
    return info


@pytest.mark.parametrize(
    "evil",
    [
        [member("/etc/evil")],
        [member("root/../../evil")],
        [member("other/evil")],
        [member("root/evil", tarfile.SYMTYPE, "/etc")],
        [member("root/evil", tarfile.LNKTYPE, "/etc/passwd")],
        [member("root/evil", tarfile.CHRTYPE)],
        [member("root/evil", tarfile.FIFOTYPE)],
    ],
    ids=lambda members: f"{members[0].name}-{members[0].type.decode()}",
)
def test_what_is_no_file_below_the_root_is_left_out_and_told(evil, tmp_path: Path) -> None:
    told: list[str] = []
    count = unpack(archive(*evil, member("root/good")), "root", tmp_path / "to", told.append)
    assert count == 1
    assert len(told) == 1
    assert [path.name for path in (tmp_path / "to").rglob("*")] == ["good"]


def test_a_link_of_an_archive_leads_no_later_file_astray(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    members = (member("root/dir", tarfile.SYMTYPE, str(outside)), member("root/dir/file"))
    unpack(archive(*members), "root", tmp_path / "to", lambda line: None)
    assert list(outside.iterdir()) == []
    assert (tmp_path / "to" / "dir" / "file").read_bytes() == b"x"


def test_a_link_that_stands_at_the_place_is_not_written_through(tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.write_text("keep")
    (tmp_path / "to").symlink_to(precious)
    with pytest.raises(CliError):
        unpack(archive(member("root")), "root", tmp_path / "to", lambda line: None)
    assert precious.read_text() == "keep"


def test_rights_of_other_users_are_no_files_own(tmp_path: Path) -> None:
    info = member("root")
    info.mode = 0o6777
    unpack(archive(info), "root", tmp_path / "to", lambda line: None)
    assert (tmp_path / "to").stat().st_mode & 0o7000 == 0


def test_what_is_no_archive_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(CliError, match="no archive"):
        unpack(io.BytesIO(b"x" * 2048), "root", tmp_path / "to", lambda line: None)


def test_what_is_packed_is_called_as_wanted_and_has_no_sockets(tmp_path: Path) -> None:
    import os

    (tmp_path / "dir").mkdir()
    (tmp_path / "dir" / "file").write_bytes(b"content")
    os.mkfifo(tmp_path / "dir" / "pipe")
    file = io.BytesIO()
    pack(tmp_path / "dir", "other", file)
    file.seek(0)
    assert unpack(file, "other", tmp_path / "to", lambda line: None) == 1
    assert [path.name for path in (tmp_path / "to").iterdir()] == ["file"]
