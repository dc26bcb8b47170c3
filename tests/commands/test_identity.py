"""`streamer identity` as a shell sees it: headers looked at, certificates fetched or refused."""

import pytest

from streamer.commands import main
from streamer.identity import fetching
from streamer.identity.certificates import file_name
from streamer.identity.folder import keep
from tests.identity.signing import CALLED, CALLER, URL, diversion, header, provider, root


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("STREAMER_IDENTITY_ANCHORS", str(tmp_path / "anchors"))
    monkeypatch.setenv("STREAMER_IDENTITY_CERTIFICATES", str(tmp_path / "certificates"))
    monkeypatch.setenv("STREAMER_IDENTITY_HOSTS", "cert.example.org")
    keep(tmp_path / "anchors", "root.pem", root().pem)

    def run(*arguments):
        with pytest.raises(SystemExit) as ended:
            main(["identity", *arguments])
        told = capsys.readouterr()
        return ended.value.code or 0, told.out, told.err

    return run


def test_a_header_is_looked_at(run, tmp_path):
    code, out, _ = run("check", header())
    assert (code, "not at hand" in out) == (1, True)
    assert out.endswith(
        "it does not hold: unknown_certificate: the certificate that the PASSporT names is not in the folder of certificates\n"
    )
    keep(tmp_path / "certificates", file_name(URL), provider().pem)
    (tmp_path / "header.txt").write_text(f"Identity: {header()}\n")
    code, out, _ = run("check", str(tmp_path / "header.txt"), "--caller", "8 701 123 45 67", "--callee", f"+{CALLED}")
    assert code == 0
    for text in (CALLER, URL, "leads to an anchor", "SPC 709J", "it holds: attestation A"):
        assert text in out
    code, out, _ = run("check", header(), "--caller", "+77010000000")
    assert (code, "it does not hold: wrong_caller" in out) == (1, True)
    code, out, _ = run("check", header(), "--at", "2h")
    assert (code, "it does not hold: stale" in out) == (1, True)


def test_every_passport_of_a_header_is_shown(run, tmp_path):
    keep(tmp_path / "certificates", file_name(URL), provider().pem)
    sent_on = f"{header()},{diversion(CALLED, '77055550000')}"
    code, out, _ = run("check", sent_on, "--callee", "+77055550000")
    assert (code, out.count("calling number"), out.endswith("it holds: attestation A\n")) == (0, 2, True)
    assert f"diverted by     {CALLED}\n" in out
    elsewhere = f"{header()},{diversion(CALLED, '77055550000', url=URL + 'x')}"
    code, out, _ = run("check", elsewhere, "--callee", "+77055550000")
    assert (code, out.endswith("it does not hold: nothing: the certificate of a diversion is not at hand\n")) == (
        1,
        True,
    )


@pytest.mark.parametrize(("made", "text"), [
    ("hello", "no token of three parts"), (header(protected={"ppt": "div"}).replace("ppt=shaken", "ppt=div"), "other kinds"),
])  # fmt: skip
def test_what_is_no_header_is_one_line(run, made, text):
    code, out, err = run("check", made)
    assert (code, out, err.count("\n")) == (1, "", 1)
    assert text in err


def test_certificates_that_are_not_to_be_had_are_told(run, tmp_path):
    code, out, err = run("fetch", "https://elsewhere.example.org/a.pem", "http://cert.example.org/a.pem")
    assert (code, out) == (1, "")
    assert "elsewhere.example.org is not among the hosts of the setting identity_hosts" in err
    assert "no https URL" in err
    assert not (tmp_path / "certificates").exists()


def test_a_certificate_that_came_is_kept_if_it_is_one(run, tmp_path, monkeypatch):
    given = {URL: provider().pem, "https://cert.example.org/b.pem": b"<html>"}
    monkeypatch.setattr(fetching, "fetch", lambda url, hosts: given[url])
    code, out, err = run("fetch", *given)
    assert code == 1
    assert "no certificate in PEM or DER" in err
    path = tmp_path / "certificates" / file_name(URL)
    assert out.startswith(f"{path}: chain leads to an anchor, holds 2025-11-01T00:00:00Z to ")
    assert path.read_bytes() == provider().pem
    assert [path] == list(path.parent.iterdir())
    assert run("check", header())[0] == 0
