"""The progress of a replay in two files, so that one that was killed goes on where it was.

The progress file is JSON for people: what the replay was begun with (`Terms`), how far each input file is read, and the
name and digest of the state file beside it. That holds what is needed to go on: what is held back to be put in order,
the counts, and the engine's state or the places in Kafka's logs. A save writes the one of two state files that is not
in use, then replaces the progress file at one stroke, so that a kill at any moment leaves a whole pair.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final, Literal

import msgspec

from streamer import __version__
from streamer.errors import ReplayError
from streamer.lab.files import synced
from streamer.lab.mapping import Mapping
from streamer.settings import Settings

FORM: Final = 1
"""Version of both files."""

BUSY: Final = 10
"""A save is followed by at least this many times its own length of work."""

_CHUNK: Final = 1 << 20
_LENGTH_BYTES: Final = 8


class Input(msgspec.Struct):
    """An input file: its path, length and BLAKE2b digest (RFC 7693), and how far it was read."""

    path: str
    length: int
    digest: str
    lines_read: int = 0
    bytes_read: int = 0


class Terms(msgspec.Struct):
    """What decisions depend on, other than the files."""

    version: str
    to: Literal["engine", "kafka"]
    topic: str
    mapping: str
    control: str
    home: str
    hold: int
    secret: str
    partitions: int
    batch_records: int
    max_callers: int
    max_calls: int
    decisions: str
    read_back: bool
    timezone: str = ""


class Progress(msgspec.Struct):
    """The progress file."""

    form: int
    complete: bool
    published: int
    decided: int
    files: list[Input]
    terms: Terms
    state: str = ""
    state_digest: str = ""


def digest_of(path: Path) -> str:
    """The digest of a file's content. Raises `ReplayError` when it cannot be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, _hash).hexdigest()
    except OSError as error:
        raise ReplayError(f"{path} cannot be read: {error.strerror}") from None


def _hash() -> Any:
    return hashlib.blake2b(digest_size=16)


def inputs(files: Sequence[Path]) -> list[Input]:
    """The files with their digests; reads each to its end."""
    return [Input(str(path), path.stat().st_size, digest_of(path)) for path in files if _there(path)]


def _there(path: Path) -> bool:
    if not path.is_file():
        raise ReplayError(f"{path} cannot be read: it is no file")
    return True


def terms(
    settings: Settings,
    to: Literal["engine", "kafka"],
    topic: str,
    mapping: Mapping | None,
    control: Path | None,
    home: str,
    hold: int,
    decisions: Path | None,
    *,
    read_back: bool,
) -> Terms:
    """The terms of a replay. The secret is in them as a keyed digest only."""
    layout = msgspec.json.encode(mapping.layout) if mapping is not None else b""
    key = settings.secret.get_secret_value().encode()[:64]
    return Terms(
        version=__version__,
        to=to,
        topic=topic if to == "kafka" else "",
        mapping=hashlib.blake2b(layout, digest_size=16).hexdigest() if layout else "",
        control=digest_of(control) if control is not None else "",
        home=home,
        hold=hold,
        secret=hashlib.blake2b(b"", key=key, digest_size=16, person=b"streamer.replay").hexdigest(),
        partitions=settings.partitions,
        batch_records=settings.batch_records if to == "engine" else 0,
        max_callers=settings.max_callers if to == "engine" else 0,
        max_calls=settings.max_calls if to == "engine" else 0,
        decisions=str(decisions) if decisions is not None else "",
        read_back=read_back,
        timezone=settings.timezone or "" if to == "engine" else "",
    )


class Saved:
    """The progress of one replay.

    Parameters
    ----------
    path
        The progress file; the state is beside it, as ``NAME.state-0`` or ``-1``.
    files, terms
        What the replay is of. Those of a progress file that exists have to be the same: `ReplayError` says what differs.
    every_s
        Seconds between two saves.
    """

    def __init__(self, path: Path, files: list[Input], terms: Terms, *, every_s: float = 10.0) -> None:
        self.path = path
        self._files = files
        self._terms = terms
        self._every_s = every_s
        self._next_s = 0.0
        self._number = 0
        self.begun = _read(path)
        """What was saved earlier; None: nothing."""
        if self.begun is not None:
            _refuse(path, self.begun, files, terms)
            self._number = 1 - int(self.begun.state[-1:] or 1)

    def chunks(self) -> Iterator[bytes]:
        """The pieces of the state that was saved, in their order. Raises `ReplayError` when the file is not as it was written."""
        if self.begun is None:
            return
        path = self.path.with_name(self.begun.state)
        if digest_of(path) != self.begun.state_digest:
            raise ReplayError(f"{path} is damaged: delete {self.path} to begin anew")
        with path.open("rb") as file:
            while head := file.read(_LENGTH_BYTES):
                yield file.read(int.from_bytes(head, "big"))

    def due(self) -> bool:
        """Whether it is time to save."""
        return time.monotonic() >= self._next_s

    def save(
        self,
        chunks: Iterable[bytes],
        places: Sequence[tuple[int, int]],
        *,
        published: int,
        decided: int,
        complete: bool,
    ) -> None:
        """Write the state; `places` are lines and bytes read of each file."""
        began = time.monotonic()
        name = f"{self.path.name}.state-{self._number}"
        digest = _hash()
        try:
            with self.path.with_name(name).open("wb", buffering=_CHUNK) as file:
                for chunk in chunks:
                    for piece in (len(chunk).to_bytes(_LENGTH_BYTES, "big"), chunk):
                        digest.update(piece)
                        file.write(piece)
                synced(file)
            for one, place in zip(self._files, places, strict=True):
                one.lines_read, one.bytes_read = place
            now = Progress(FORM, complete, published, decided, self._files, self._terms, name, digest.hexdigest())
            half = self.path.with_name(f"{self.path.name}.new")
            with half.open("wb") as file:
                file.write(msgspec.json.format(msgspec.json.encode(now), indent=1) + b"\n")
                synced(file)
            half.replace(self.path)
        except OSError as error:
            raise ReplayError(f"{self.path} cannot be written: {error.strerror}") from None
        self._number = 1 - self._number
        ended = time.monotonic()
        self._next_s = ended + max(self._every_s, BUSY * (ended - began))


def _read(path: Path) -> Progress | None:
    try:
        text = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ReplayError(f"{path} cannot be read: {error.strerror}") from None
    try:
        found = msgspec.json.decode(text, type=Progress)
    except (ValueError, RecursionError) as error:
        raise ReplayError(f"{path} is no progress file of a replay: {error}") from None
    if found.form != FORM:
        raise ReplayError(f"{path} is of form {found.form}, this version reads form {FORM}: delete it to begin anew")
    return found


def _refuse(path: Path, begun: Progress, files: list[Input], terms: Terms) -> None:
    """Raise `ReplayError` when the replay is not the one that was begun."""
    mend = f"; go on with what it was begun with, or delete {path} to begin anew"
    before, now = ([one.path for one in each] for each in (begun.files, files))
    if before != now:
        raise ReplayError(f"{path} is of a replay of {', '.join(before)}, not of {', '.join(now)}{mend}")
    for old, new in zip(begun.files, files, strict=True):
        if (old.length, old.digest) != (new.length, new.digest):
            raise ReplayError(
                f"{new.path} has changed since {path} was written ({old.length:,} bytes then, {new.length:,} now){mend}"
            )
    for name in Terms.__struct_fields__:
        old_value, new_value = getattr(begun.terms, name), getattr(terms, name)
        if old_value != new_value:
            opaque = name in {"mapping", "control", "secret"}
            how = "is another one" if opaque else f"is {_word(new_value)}, it was {_word(old_value)}"
            raise ReplayError(f"{path}: {_SPOKEN.get(name, name)} {how}{mend}")


def _word(value: object) -> str:
    return "none" if value == "" else str(value)


_SPOKEN: Final = {
    "version": "the version of streamer",
    "to": "--to",
    "topic": "the topic",
    "mapping": "the mapping",
    "control": "the file of --control",
    "home": "the home country",
    "hold": "--hold",
    "secret": "the setting secret",
    "decisions": "--decisions",
    "read_back": "--wait",
    "timezone": "the setting timezone",
}
