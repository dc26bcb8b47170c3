"""The folders of anchors and certificates: what is read, what is left out, and that a change is noticed."""

import os
import time
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from streamer.errors import IdentityError
from streamer.identity.certificates import file_name
from streamer.identity.folder import Folder, _content, keep
from tests.identity.signing import URL, provider, root

NAME = file_name(URL)


@pytest.fixture
def told():
    return []


@pytest.fixture
def folder(tmp_path, told):
    keep(tmp_path / "anchors", "root.pem", root().pem)
    return Folder(tmp_path / "anchors", tmp_path / "certificates", told.append)


def test_folders_that_are_not_there_are_empty(tmp_path, told):
    found = Folder(tmp_path / "no", tmp_path / "neither", told.append)
    found.look()
    assert (found.signers, found.anchors, told) == ({}, [], [])
    assert not found.look()


def test_a_certificate_that_comes_changes_or_goes_is_noticed(folder, tmp_path):
    assert folder.look()
    assert not folder.look()
    path = keep(tmp_path / "certificates", NAME, provider().pem)
    assert folder.look()
    assert folder.signers[NAME].trusted
    assert not folder.look()
    keep(tmp_path / "certificates", NAME, root("another").pem)
    assert folder.look()
    assert not folder.signers[NAME].trusted
    path.unlink()
    assert folder.look()
    assert folder.signers == {}


def test_another_anchor_judges_all_certificates_anew(folder, tmp_path):
    keep(tmp_path / "certificates", NAME, provider().pem)
    folder.look()
    keep(tmp_path / "anchors", "root.pem", root("another").pem)
    assert folder.look()
    assert not folder.signers[NAME].trusted
    keep(tmp_path / "anchors", "more.pem", root().pem)
    assert folder.look()
    assert folder.signers[NAME].trusted


def test_what_is_not_sound_is_told_once_and_the_rest_counts(folder, tmp_path, told):
    keep(tmp_path / "certificates", NAME, provider().pem)
    keep(tmp_path / "certificates", "broken.pem", b"-----BEGIN CERTIFICATE-----")
    keep(tmp_path / "certificates", "large.pem", b"x" * 70_000)
    keep(tmp_path / "certificates", "note.txt", b"no certificate")
    keep(tmp_path / "anchors", "broken.pem", b"nothing")
    (tmp_path / "certificates" / "folder.pem").mkdir()
    (tmp_path / "certificates" / "nowhere.pem").symlink_to("nothing")
    (tmp_path / "certificates" / "loop.pem").symlink_to("loop.pem")
    os.mkfifo(tmp_path / "certificates" / "pipe.pem")
    old = root().certificate.public_bytes(Encoding.DER).replace(b"\xa0\x03\x02\x01\x02", b"\xa0\x03\x02\x01\x01", 1)
    keep(tmp_path / "certificates", "version.pem", old)
    folder.look()
    assert list(folder.signers) == [NAME]
    assert folder.signers[NAME].trusted
    assert not folder.look()
    assert sorted(Path(line.split(" is left out")[0]).name for line in told) == [
        "broken.pem", "broken.pem", "folder.pem", "large.pem", "loop.pem", "pipe.pem", "version.pem",
    ]  # fmt: skip
    (tmp_path / "certificates" / "pipe.pem").unlink()
    assert not folder.look()
    os.mkfifo(tmp_path / "certificates" / "pipe.pem")
    assert not folder.look()
    assert len(told) == 8


def test_what_becomes_a_pipe_between_two_looks_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.pem")
    with pytest.raises(IdentityError, match="no regular file"):
        _content(tmp_path / "pipe.pem")


@pytest.mark.parametrize("which", ["anchors", "certificates"])
def test_while_a_folder_cannot_be_read_what_was_read_stands(folder, tmp_path, told, which):
    keep(tmp_path / "certificates", NAME, provider().pem)
    (tmp_path / "certificates" / "loop.pem").symlink_to("loop.pem")
    folder.look()
    assert len(told) == 1
    (tmp_path / which).rename(tmp_path / "away")
    (tmp_path / which).write_bytes(b"no folder")
    for _ in range(2):
        assert not folder.look()
    assert folder.signers[NAME].trusted
    assert told[1:] == [f"{tmp_path / which} cannot be read: Not a directory; what was read before stands"]
    with pytest.raises(IdentityError, match=f"{which} cannot be read: Not a directory"):
        Folder(tmp_path / "anchors", tmp_path / "certificates", told.append).look()
    (tmp_path / which).unlink()
    (tmp_path / "away").rename(tmp_path / which)
    (tmp_path / "certificates" / NAME).unlink()
    assert folder.look()
    assert folder.signers == {}
    assert len(told) == 2


def test_a_file_that_may_be_read_from_now_on_is_read(folder, tmp_path):
    path = keep(tmp_path / "certificates", NAME, provider().pem)
    folder.look()
    time.sleep(0.01)  # so finely file systems tell times
    path.chmod(0o600)
    assert folder.look()


def test_a_file_is_kept_whole_or_not_at_all(tmp_path):
    target = tmp_path / "taken"
    target.mkdir()
    with pytest.raises(OSError):
        keep(tmp_path, "taken", b"content")
    assert list(tmp_path.iterdir()) == [target]
    assert keep(tmp_path / "new", NAME, b"content").read_bytes() == b"content"
    assert [path.name for path in (tmp_path / "new").iterdir()] == [NAME]
