"""Fetching the certificate that a PASSporT names: over https, from hosts that were allowed, and from nowhere inside.

A shell: it opens connections. Whoever calls may write any URL into a header, so that nothing here is asked for without a
person or a timer of the operator's wanting it, no address is connected to but the one that was looked at, and what comes
is bounded in time and size. A redirect is not followed: x5u names the certificate itself.
"""

from __future__ import annotations

import contextlib
import http.client
import ipaddress
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Final
from urllib.parse import urlsplit

from streamer.errors import IdentityError
from streamer.identity.certificates import MAX_BYTES
from streamer.identity.passport import host_of

TIMEOUT_S: Final = 10.0
_PIECE: Final = 16_384
_UNICAST: Final = ipaddress.IPv6Network("2000::/3")
_OK: Final = 200

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def allowed_by(host: str, hosts: str) -> str | None:
    """Which of the allowed hosts, comma-separated, a host is one of; one that begins with a dot stands for all below it.

    >>> allowed_by("cr.example.org", "cert.example.net, .example.org"), allowed_by("example.org.example.net", ".example.org")
    ('.example.org', None)
    """
    allowed = [each.strip().lower() for each in hosts.split(",")]
    return next((each for each in allowed if each and (host == each or (each[0] == "." and host.endswith(each)))), None)


def is_public(address: Address) -> bool:
    """Whether an address is one of the Internet at large: no private, local or reserved one, and none of version 6 that wraps
    one of version 4.

    >>> [is_public(ipaddress.ip_address(one)) for one in ("8.8.8.8", "10.0.0.1", "2001:4860:4860::8888", "64:ff9b::a00:1")]
    [True, False, True, False]
    """
    if isinstance(address, ipaddress.IPv6Address):
        if address not in _UNICAST or address.sixtofour is not None or address.teredo is not None:
            return False
    return address.is_global and not address.is_multicast


def fetch(
    url: str,
    hosts: str,
    *,
    context: ssl.SSLContext | None = None,
    reachable: Callable[[Address], bool] = is_public,
    timeout_s: float = TIMEOUT_S,
) -> bytes:
    """What lies at an https URL, whose host has to be among `hosts`. Raises `IdentityError` when that is not to be had.

    `context` checks the server, by the system's authorities if it is not given; `reachable` says to which addresses a
    connection may be made; `timeout_s` is for all of it but the look for the name's addresses, which the system bounds.
    """
    host = host_of(url)
    if host is None:
        raise IdentityError(f"{url[:200]!r} is no https URL with a host and a path")
    if allowed_by(host, hosts) is None:
        raise IdentityError(f"{host} is not among the hosts of the setting identity_hosts")
    split = urlsplit(url)
    try:
        addresses = _addresses(host, split.port or 443)
        if not all(map(reachable, addresses)):
            raise IdentityError(f"{host} has an address that is not public")
        connection = _Connection(host, split.port or 443, addresses, context or ssl.create_default_context(), timeout_s)
        path = split.path + (f"?{split.query}" if split.query else "")
        with connection.bounded():
            connection.request("GET", path, headers={"Accept": "application/pem-certificate-chain, */*;q=0.5"})
            answer = connection.getresponse()
            if answer.status != _OK:
                raise IdentityError(f"{host} answers {answer.status} {answer.reason[:100]}")
            return _body(answer, host, connection.left_s)
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise IdentityError(f"{host} gives nothing: {error or type(error).__name__}") from None


def _body(answer: http.client.HTTPResponse, host: str, left_s: Callable[[], float]) -> bytes:
    content = b""
    while piece := answer.read1(_PIECE):
        left_s()
        content += piece
        if len(content) > MAX_BYTES:
            raise IdentityError(f"{host} gives more than {MAX_BYTES} bytes")
    left_s()
    if answer.length:
        raise IdentityError(f"{host} gives less than it says")
    return content


def _addresses(host: str, port: int) -> list[Address]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(ipaddress.ip_address(str(place[0]).partition("%")[0]) for *_, place in found))


class _Connection(http.client.HTTPSConnection):
    """One to an address that was looked at: a name may stand for another a moment later.

    All of it ends `timeout_s` after this was made: each wait has what is left of that, and a timer ends those of many short waits.
    """

    def __init__(
        self, host: str, port: int, addresses: Iterable[Address], context: ssl.SSLContext, timeout_s: float
    ) -> None:
        super().__init__(host, port, timeout=timeout_s, context=context)
        self._addresses = list(addresses)
        self._tls = context
        self._wait_s = timeout_s
        self._until = time.monotonic() + timeout_s
        self._open: ssl.SSLSocket | None = None

    def left_s(self) -> float:
        """The seconds that are left. Raises `TimeoutError` when none are."""
        left_s = self._until - time.monotonic()
        if left_s <= 0:
            raise TimeoutError(f"it takes longer than {self._wait_s:g} s")
        return left_s

    @contextlib.contextmanager
    def bounded(self) -> Iterator[None]:
        """End what is under way when its time is over, and close. Raises `TimeoutError` then, whatever that led to."""
        ending = threading.Timer(self._until - time.monotonic(), self._end)
        ending.start()
        try:
            yield
        except (OSError, http.client.HTTPException):
            self.left_s()
            raise
        finally:
            ending.cancel()
            self.close()

    def connect(self) -> None:
        """Connect to the first address that answers."""
        failed: OSError | None = None
        for address in self._addresses:
            left_s = self.left_s()
            try:
                plain = socket.create_connection((str(address), self.port), left_s)
            except OSError as error:
                failed = error
                continue
            self._open = self.sock = self._tls.wrap_socket(
                plain, server_hostname=self.host, do_handshake_on_connect=False
            )
            self._open.settimeout(self.left_s())  # the timer may have gone off before there was anything to end
            self._open.do_handshake()
            self._open.settimeout(self.left_s())
            return
        raise failed or OSError("the name has no address")

    def _end(self) -> None:
        if self._open is not None:
            with contextlib.suppress(OSError):  # it has ended by itself
                socket.socket.shutdown(self._open, socket.SHUT_RDWR)
