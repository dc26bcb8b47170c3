"""Fetching from a real server over TLS: what comes, and what is refused before and after a connection is made."""

import ipaddress
import socket
import ssl
import time
from contextlib import contextmanager

import pytest

from streamer.errors import IdentityError
from streamer.identity import fetching
from tests.identity.serving import served
from tests.identity.signing import provider

ANSWERS = {
    "/a.pem": (200, {}, [provider().pem], 0),
    "/b.pem?x=1": (200, {"Content-Length": "3"}, [b"abc"], 0),
    "/there": (302, {"Location": "https://localhost/a.pem"}, [], 0),
    "/gone": (404, {}, [b"not here"], 0),
    "/large": (200, {}, [b"x" * 30_000] * 3, 0),
    "/less": (200, {"Content-Length": "100"}, [b"x"], 0),
    "/slow": (200, {"Content-Length": "100"}, [b"x"] * 100, 0.1),
    "/slow-and-long": (200, {}, [b"x"] * 100, 0.1),
    "/slow-to-begin": (200, {}, [b"x"], 5),
}


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with served(tmp_path_factory.mktemp("server"), ANSWERS) as (port, authority):
        yield port, ssl.create_default_context(cafile=authority)


def fetch(server, path, **more):
    port, context = server
    given = {"context": context, "reachable": lambda address: address.is_loopback, **more}
    return fetching.fetch(f"https://localhost:{port}{path}", "cert.example.org, localhost", **given)


def test_a_certificate_is_fetched(server):
    assert fetch(server, "/a.pem") == provider().pem
    assert fetch(server, "/b.pem?x=1") == b"abc"


@pytest.mark.parametrize(("path", "text"), [
    ("/there", "answers 302"), ("/gone", "answers 404"), ("/large", "more than 65536 bytes"), ("/less", "gives less"),
])  # fmt: skip
def test_answers_that_are_no_certificate_are_refused(server, path, text):
    with pytest.raises(IdentityError, match=text):
        fetch(server, path)


@pytest.mark.parametrize("path", ["/slow", "/slow-and-long", "/slow-to-begin"])
def test_a_server_that_takes_its_time_is_left(server, path):
    with in_time(), pytest.raises(IdentityError, match=r"takes longer than 0\.5 s"):
        fetch(server, path, timeout_s=0.5)


@contextmanager
def in_time(seconds=2.0):
    began = time.monotonic()
    yield
    assert time.monotonic() - began < seconds


def test_many_addresses_that_do_not_answer_have_the_time_of_one(server, monkeypatch):
    def silent(place, timeout):
        time.sleep(timeout)
        raise TimeoutError("timed out")

    addresses = [ipaddress.ip_address(f"127.0.0.{number}") for number in range(2, 22)]
    monkeypatch.setattr(fetching, "_addresses", lambda *_: addresses)
    monkeypatch.setattr(fetching.socket, "create_connection", silent)
    with in_time(), pytest.raises(IdentityError, match=r"takes longer than 0\.5 s"):
        fetch(server, "/a.pem", timeout_s=0.5)


@pytest.mark.parametrize("path", ["/a.pem", "/slow-and-long"])
def test_a_connection_that_is_made_too_late_is_not_used(server, monkeypatch, path):
    connect = socket.create_connection

    def late(place, timeout):
        time.sleep(0.6)
        return connect(place, 5)

    monkeypatch.setattr(fetching.socket, "create_connection", late)
    with in_time(), pytest.raises(IdentityError, match=r"takes longer than 0\.5 s"):
        fetch(server, path, timeout_s=0.5)


def test_a_server_that_nobody_vouches_for_is_refused(server):
    with pytest.raises(IdentityError, match="certificate verify failed"):
        fetch(server, "/a.pem", context=ssl.create_default_context())


def test_an_address_that_is_not_public_is_not_connected_to(server):
    with pytest.raises(IdentityError, match="not public"):
        fetch(server, "/a.pem", reachable=fetching.is_public)


def test_a_name_that_stands_for_one_address_inside_too_is_not_connected_to(server):
    with pytest.raises(IdentityError, match="not public"):
        fetch(server, "/a.pem", reachable=lambda address: False)


@pytest.mark.parametrize("url", [
    "http://localhost/a.pem", "https://127.0.0.1/a.pem", "https://localhost.example.net/a.pem", "https://localhost@example.net/",
    "https://example.net/", "https://[::1]/a", "file:///etc/passwd", "https://localhost:99999/a.pem", "https://localhost:1/a.pem",
])  # fmt: skip
def test_other_hosts_and_schemes_are_refused(url):
    with pytest.raises(IdentityError):
        fetching.fetch(url, "localhost", reachable=lambda address: True)


@pytest.mark.parametrize(("address", "public"), [
    ("8.8.8.8", True), ("2001:4860:4860::8888", True), ("127.0.0.1", False), ("10.1.2.3", False), ("172.16.0.1", False),
    ("192.168.1.1", False), ("169.254.169.254", False), ("100.64.0.1", False), ("0.0.0.0", False), ("224.0.0.1", False),
    ("255.255.255.255", False), ("::1", False), ("::", False), ("fe80::1", False), ("fd00::1", False), ("ff02::1", False),
    ("::ffff:127.0.0.1", False), ("::ffff:8.8.8.8", False), ("64:ff9b::7f00:1", False), ("2002:7f00:1::", False),
    ("2001:0:7f00:1::", False),
])  # fmt: skip
def test_which_addresses_are_public(address, public):
    assert fetching.is_public(ipaddress.ip_address(address)) == public


@pytest.mark.parametrize(("host", "hosts", "by"), [
    ("a.example.org", "a.example.org", "a.example.org"), ("a.example.org", " A.Example.org ,b", "a.example.org"),
    ("a.example.org", ".example.org", ".example.org"), ("example.org", ".example.org", None), ("aexample.org", ".example.org", None),
    ("a.example.org", "", None), ("a.example.org", ",,", None), ("a.example.org", "example.org", None),
])  # fmt: skip
def test_which_hosts_are_allowed(host, hosts, by):
    assert fetching.allowed_by(host, hosts) == by
