"""What is read back of a partition that was gained, part by part, on its way from the thread that reads to the event loop."""

from __future__ import annotations

from typing import NamedTuple

from streamer.calls.decisions import Decision
from streamer.checkpoint import Opened
from streamer.stream.arrivals import Origin


class Wish:
    """A partition to be read back, as it was gained.

    Equal to itself alone: a partition may be gained a second time just as it was gained before.
    """

    def __init__(self, partition: int, epoch: int, origin: Origin) -> None:
        self.partition = partition
        self.epoch = epoch
        self.origin = origin
        self.given_up = False
        """The partition is gone: what is left of it need not be read. Parts of it may still come."""


class Piece(NamedTuple):
    """One record of a partition's state, in its order."""

    wish: Wish
    opened: Opened


class SaidSince(NamedTuple):
    """A decision that answers a record which will be judged again, at this offset."""

    wish: Wish
    offset: int
    decision: Decision


class Restored(NamedTuple):
    """All of a partition was handed over. `spans` and `rolled` see `streamer.stream.state_log.StateLog.begin`; nothing that
    answers a record from the origin on lies before `said`; `end` is the offset after the last record that was there by then.
    Its records come from `begin` on: the origin, unless the log lost records. `newest_ms` is when the newest of those judged was
    appended, ms since 1970, -1 where that is not known.
    """

    wish: Wish
    spans: list[tuple[int, int]]
    rolled: dict[int, int]
    said: int
    end: int
    begin: int
    newest_ms: int = -1


class Emptied(NamedTuple):
    """What was handed over of a partition is to be forgotten: its state cannot be restored, and `begin_empty` is set."""

    wish: Wish


Part = Piece | SaidSince | Restored | Emptied
