"""The folders that trust anchors and fetched certificates lie in, read again when something in them changes.

A shell: it looks at files. One that cannot be read or is not sound is told once and left out; the others count. While a folder
itself cannot be read, what was read before stands.
"""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final, NamedTuple

from cryptography import x509

from streamer.errors import IdentityError
from streamer.identity import certificates
from streamer.identity.certificates import Signer

MOST_FILES: Final = 10_000
"""Files of one folder that are looked at, in the order of their names."""


_NO_FILE: Final = "it is no regular file"


class Stamp(NamedTuple):
    """By what a file is known to be the same: its size in bytes, when it or its rights were changed, in ns, and its number on the
    disk.
    """

    size: int
    changed_ns: int
    number: int


class Folder:
    """Trust anchors and certificates, as of the last `look`.

    Parameters
    ----------
    anchors, fetched
        The folders; regular files whose names end in ``.pem`` count. A folder that is not there is empty.
    tell
        Takes a line about a file that is left out, or a folder that cannot be read.
    """

    def __init__(self, anchors: Path, fetched: Path, tell: Callable[[str], None]) -> None:
        self._anchors, self._fetched, self._tell = anchors, fetched, tell
        self._trusted: tuple[dict[str, Stamp], list[x509.Certificate]] | None = None
        self._known: dict[str, tuple[Stamp, Signer | None]] = {}
        self._troubles: dict[Path, str] = {}

    @property
    def signers(self) -> Mapping[str, Signer]:
        """Certificates by the names of their files."""
        return {name: signer for name, (_, signer) in self._known.items() if signer is not None}

    @property
    def anchors(self) -> list[x509.Certificate]:
        """The trust anchors."""
        return self._trusted[1] if self._trusted else []

    def look(self) -> bool:
        """Read what has changed; gives whether anything had. Raises `IdentityError` for a folder that never could be read."""
        troubles: dict[Path, str] = {}
        try:
            there, found = (_files(folder, troubles) for folder in (self._anchors, self._fetched))
        except OSError as error:
            told = f"{error.filename} cannot be read: {error.strerror}"
            if self._trusted is None:
                raise IdentityError(told) from None
            self._tell_of({**self._troubles, Path(error.filename): f"{told}; what was read before stands"})
            return False
        self._tell_of(troubles)
        return self._take(there, found)

    def _tell_of(self, troubles: dict[Path, str]) -> None:
        """Tell of what was not told of at the last look."""
        for path, told in troubles.items():
            if self._troubles.get(path) != told:
                self._tell(told)
        self._troubles = troubles

    def _take(self, there: dict[str, Stamp], found: dict[str, Stamp]) -> bool:
        """Read which of these anchors and certificates have changed; gives whether any had."""
        anew = self._trusted is None or self._trusted[0] != there
        if anew:
            self._trusted = there, self._read_anchors(there)
        held = {} if anew else self._known
        if not anew and found == {name: stamp for name, (stamp, _) in held.items()}:
            return False
        self._known = {
            name: held[name] if name in held and held[name][0] == stamp else (stamp, self._signer(name))
            for name, stamp in found.items()
        }
        return True

    def _read_anchors(self, names: Mapping[str, Stamp]) -> list[x509.Certificate]:
        found: list[x509.Certificate] = []
        for name in names:
            try:
                found += certificates.read(_content(self._anchors / name))
            except (OSError, IdentityError) as error:
                self._tell(f"{self._anchors / name} is left out: {error}")
        return found

    def _signer(self, name: str) -> Signer | None:
        try:
            return certificates.signer(certificates.read(_content(self._fetched / name)), self.anchors)
        except (OSError, IdentityError) as error:
            self._tell(f"{self._fetched / name} is left out: {error}")
        return None


def keep(folder: Path, name: str, content: bytes) -> Path:
    """Put a file into a folder, whole or not at all; gives its path. Raises `OSError`."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=folder, prefix=".", delete=False) as file:
        try:
            file.write(content)
            file.flush()
            os.fchmod(file.fileno(), 0o644)
            return Path(file.name).replace(folder / name)
        except BaseException:
            Path(file.name).unlink()
            raise


def _content(path: Path) -> bytes:
    """What lies in a file, and a byte more than is taken where it is larger. Raises `IdentityError` for what is none, `OSError`."""
    with open(path, "rb", opener=_without_waiting) as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise IdentityError(_NO_FILE)
        return file.read(certificates.MAX_BYTES + 1)


def _without_waiting(path: str, flags: int) -> int:
    """Open what may have become a pipe since it was looked at: its other end may never come."""
    return os.open(path, flags | os.O_NONBLOCK)


def _files(folder: Path, troubles: dict[Path, str]) -> dict[str, Stamp]:
    """The files of a folder with their stamps, in the order of their names; what is left out goes to `troubles`. Raises `OSError`."""
    try:
        with os.scandir(folder) as entries:
            names = sorted(entry.name for entry in entries if entry.name.endswith(".pem"))
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(folder)) from None  # reading on does not say of what
    found = {}
    for name in names[:MOST_FILES]:
        path = folder / name
        try:
            told = path.stat()
        except FileNotFoundError:
            continue  # gone in the meantime, or a link to nowhere
        except OSError as error:
            troubles[path] = f"{path} is left out: {error.strerror}"
            continue
        if stat.S_ISREG(told.st_mode):
            found[name] = Stamp(told.st_size, told.st_ctime_ns, told.st_ino)
        else:
            troubles[path] = f"{path} is left out: {_NO_FILE}"
    return found
