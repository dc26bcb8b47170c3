"""The folders of anchors and certificates: what is read, what is left out, and that a change is noticed."""

from pathlib import Path

import pytest

from streamer.identity.certificates import file_name
from streamer.identity.folder import Folder, keep
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
    folder.look()
    assert list(folder.signers) == [NAME]
    assert folder.signers[NAME].trusted
    assert not folder.look()
    assert sorted(Path(line.split(" is left out")[0]).name for line in told) == [
        "broken.pem", "broken.pem", "folder.pem", "large.pem",
    ]  # fmt: skip


def test_a_file_is_kept_whole_or_not_at_all(tmp_path):
    target = tmp_path / "taken"
    target.mkdir()
    with pytest.raises(OSError):
        keep(tmp_path, "taken", b"content")
    assert list(tmp_path.iterdir()) == [target]
    assert keep(tmp_path / "new", NAME, b"content").read_bytes() == b"content"
    assert [path.name for path in (tmp_path / "new").iterdir()] == [NAME]
