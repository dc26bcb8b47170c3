"""What passes between scorers and whoever merges their counts: sums and calling numbers to be told of one way, signals the other."""

from __future__ import annotations

import base64
import binascii
from typing import Annotated, Any, Final, Literal, NamedTuple

import numpy as np
from msgspec import Meta, Struct

from streamer.calls.cases import Called
from streamer.calls.decisions import Whole
from streamer.calls.events import CallId, Millis, Opaque, Operator
from streamer.errors import MessageError

Kind = Literal["callee", "trunk", "block", "line", "range", "prefix", "lure"]
"""What a signal is about: a called number, a registered trunk, a block of a thousand calling numbers, an own line, a range of ten
thousand calling numbers by how its calls come in, what ten million calling numbers begin with, a number that rang for a moment
to be called back."""

KINDS: Final[tuple[Kind, ...]] = ("callee", "trunk", "block", "line", "range", "prefix", "lure")

LASTS_MS: Final = 30_000
"""A signal that is not said again holds for so long, but for lures."""
AGAIN_MS: Final = 10_000
"""What still stands out is said again so often, or sooner."""

COUNTS: Final = ("attempts", "callers", "fresh", "neighbours", "suspect", "blocked", "answered", "brief", "rang")
"""What partial sums count, in their order: see `streamer.windows.tallies`."""

_PLACES: Final = np.dtype("<i8")
_SUMS: Final = np.dtype("<u2")
_Calls = Annotated[int, Meta(ge=0, le=1_000_000_000)]
_Line = Annotated[str, Meta(max_length=64, description="a line by its caller key")]
_Number = Annotated[str, Meta(min_length=1, max_length=64, description="a number by its caller key")]
_TrunkName = Annotated[str, Meta(min_length=1, max_length=255)]


class PartialSums(Struct, frozen=True, kw_only=True, tag="sums", tag_field="type"):
    """What the calls of one partition in one second of the log add to the counts of called numbers, trunks and number blocks.

    `number` (ms of the log's time, rising within a partition) tells a message that comes again. `places` is base64 of
    little-endian int64[n, 2]: the called number's digits (0: neither an E.164 number nor a short one) and the block of the calling number
    (its digits without the last three; 0: an own line; 1: no E.164 number, from elsewhere). `counts` is base64 of little-endian uint16[n, 10]: which of
    `trunks` (from 1; 0: none that is registered), then set-ups, first ones of a caller to this called number, first ones
    of a caller in a day, those of a number like the called one, those that
    something was found of, blocked ones, answers, ends after a talk of less than six
    seconds, and ends after a ring of less than five that nobody answered. A row that counts first ones of callers and nothing else tells of
    callers who were counted before: of block 0 that they are own lines, else that they call again in another minute.
    """

    partition: Annotated[int, Meta(ge=0, le=1_023)]
    number: Millis
    trunks: Annotated[list[tuple[Operator, _TrunkName]], Meta(max_length=8_192)] = []
    places: str
    counts: str


class BusyLine(Struct, frozen=True, kw_only=True, tag="line", tag_field="type"):
    """An own line that calls many different numbers, as it was at one of its set-ups: counts of the last 24 h."""

    at: Millis
    operator: Operator
    line: _Line
    call_id: CallId
    attempts: _Calls
    distinct: _Calls
    answered: _Calls
    imsi: Opaque | None = None
    imei: Opaque | None = None
    cell: Opaque | None = None
    holder: Opaque | None = None


class SwappedSim(Struct, frozen=True, kw_only=True, tag="swap", tag_field="type"):
    """An own line whose SIM was changed lately, `age_h` hours ago, calls a number that is protected, as a bank's is."""

    at: Millis
    operator: Operator
    line: _Line
    callee: Called
    call_id: CallId
    age_h: Annotated[float, Meta(ge=0, le=1e6)]


class Lure(Struct, frozen=True, kw_only=True, tag="lure", tag_field="type"):
    """A number that was found to ring many others for a moment, so that they call it back; `rings` of its calls in ten minutes."""

    at: Millis
    number: _Number
    rings: Whole


class Newcomer(Struct, frozen=True, kw_only=True, tag="newcomer", tag_field="type"):
    """A line that was seen for the first time within the hour before, as it was at one of its set-ups: counts of the last hour.

    `trunk`: the registered one that its calls come in over; none: an own line. `since`: when it was seen first. `short`:
    answered calls of less than six seconds of talk; `talk_s`: talk of ended calls.
    """

    at: Millis
    since: Millis
    operator: Operator
    line: _Line
    trunk: _TrunkName | None = None
    attempts: Whole
    distinct: Whole
    answered: Whole
    short: Whole
    talk_s: Annotated[float, Meta(ge=0, le=1e9)]


Counted = PartialSums | BusyLine | SwappedSim | Lure | Newcomer
"""What scorers tell whoever merges their counts."""


class Signal(Struct, frozen=True, kw_only=True):
    """What is known of a subject over all partitions; holds for calls up to `until` (ms of the log's time).

    Key: `kind/subject`; a tombstone ends it. An older one (`at`) under a key that holds a newer one is ignored. A trunk is
    `operator/trunk`, a block `+` and the digits of its numbers without the last three (after `operator/trunk/` that tells of its bursts
    over this trunk alone), a range likewise without the last four (over a trunk after `operator/trunk/`), a prefix without the last
    seven, other subjects are E.164 numbers.
    `position` is the offset of `counts.v1` up to which it is counted.
    """

    kind: Kind
    subject: Annotated[str, Meta(min_length=1, max_length=512)]
    at: Millis
    until: Millis
    values: dict[str, Annotated[float, Meta(ge=-1e12, le=1e12)]] = {}
    about: dict[str, str] = {}
    position: Whole = 0

    @property
    def key(self) -> str:
        """The record key on `signals.v1`."""
        return f"{self.kind}/{self.subject}"


class Rows(NamedTuple):
    """Partial sums as arrays: `places` int64[n, 2], `trunk` int64[n] (from 1 into the message's trunks), `counts` int64[n, 9]."""

    places: Any
    trunk: Any
    counts: Any


def packed(partition: int, number: int, trunks: list[tuple[str, str]], rows: Rows) -> PartialSums:
    """The message of some rows."""
    counts = np.empty((len(rows.trunk), 1 + len(COUNTS)), _SUMS)
    counts[:, 0], counts[:, 1:] = rows.trunk, rows.counts
    return PartialSums(
        partition=partition,
        number=number,
        trunks=trunks,
        places=base64.b64encode(rows.places.astype(_PLACES).tobytes()).decode(),
        counts=base64.b64encode(counts.tobytes()).decode(),
    )


def unpacked(sums: PartialSums) -> Rows:
    """The rows of a message. Raises `MessageError` for what is no such arrays, or refers to a trunk that it does not name."""
    try:
        places = np.frombuffer(base64.b64decode(sums.places, validate=True), _PLACES).reshape(-1, 2).astype(np.int64)
        counts = np.frombuffer(base64.b64decode(sums.counts, validate=True), _SUMS).reshape(-1, 1 + len(COUNTS))
    except (binascii.Error, ValueError) as error:
        raise MessageError("wrong_type", f"places and counts of partition {sums.partition}: {error}") from None
    counts = counts.astype(np.int64)
    if len(places) != len(counts):
        raise MessageError("out_of_range", f"{len(places)} places and {len(counts)} rows of counts")
    if (places < 0).any() or (places >= 10**15).any() or (counts[:, 0] > len(sums.trunks)).any():
        raise MessageError("out_of_range", "a place that is no number, or a trunk that is not named")
    return Rows(places, counts[:, 0].copy(), counts[:, 1:].copy())
