"""Simulated traffic as lines of JSON, by slices of simulated time, from one process or from several.

Each process makes a shard: its part of the honest calls, and the first one all of the fraud, so that a campaign's calls stay
in one hand. Slices of the same time are merged by the time at which their events are published. The traffic follows from the
seed and the number of processes.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator, Mapping
from contextlib import closing
from itertools import chain
from multiprocessing import get_context
from multiprocessing.connection import Connection
from operator import itemgetter
from typing import Any, Final, NamedTuple

import msgspec

from streamer.calls.codec import encode
from streamer.calls.events import Setup
from streamer.lab.traffic import Traffic

Dated = list[tuple[int, bytes]]
"""Lines and the times at which they are published."""

_EVENTS: Final = 20_000
"""About so many events are in a slice."""


class Slice(NamedTuple):
    """What is published until `until_ms`, and not in an earlier slice: lines of events and of the truth about set-ups."""

    until_ms: int
    events: Dated
    truths: Dated


def slices(options: Mapping[str, Any], processes: int = 1) -> Iterator[Slice]:
    """The traffic that these options of `Traffic` make, by so many processes, to its last end."""
    if processes == 1:
        yield from _made(Traffic(**options))
        return
    context = get_context("spawn")
    readers = []
    workers = []
    for which in range(processes):
        reader, writer = context.Pipe(duplex=False)
        worker = context.Process(target=_send, args=(dict(options), (which, processes), writer), daemon=True)
        worker.start()
        writer.close()
        readers.append(reader)
        workers.append(worker)
    try:
        yield from _merged(readers)
    finally:
        for worker in workers:
            worker.terminate()
            worker.join()


def _made(traffic: Traffic) -> Iterator[Slice]:
    """One shard's slices: all shards end theirs at the same times, but for the last ones."""
    gc.freeze()
    gc.disable()  # a third of the time went into looking for cycles, and calls make none
    length_ms = max(1, int(_EVENTS / traffic.rate / 2.6 * 1000))
    until_ms = traffic.start_ms + length_ms
    events: Dated = []
    truths: Dated = []
    truth_of = traffic.truth
    truth_line = msgspec.json.Encoder().encode
    for at, event, _ in traffic:
        while at >= until_ms:
            yield Slice(until_ms, events, truths)
            events, truths = [], []
            until_ms += length_ms
        events.append((at, encode(event) + b"\n"))
        if isinstance(event, Setup):
            truths.append((at, truth_line(truth_of(event.call_id)) + b"\n"))
    yield Slice(until_ms, events, truths)


def _send(options: dict[str, Any], shard: tuple[int, int], writer: Connection) -> None:
    with closing(writer):
        for made in _made(Traffic(**options, shard=shard)):
            writer.send(made)


def _merged(readers: list[Connection]) -> Iterator[Slice]:
    left = list(readers)
    while left:
        parts = []
        for reader in list(left):
            try:
                parts.append(reader.recv())
            except EOFError:
                left.remove(reader)
        if parts:
            events, truths = (
                sorted(chain.from_iterable(part[which] for part in parts), key=itemgetter(0)) for which in (1, 2)
            )
            yield Slice(parts[0].until_ms, events, truths)
