"""The calls that everybody gets: simulated traffic, encoded once, kept in memory and in a file for the publishers."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from benchmarks.sizes import TRAFFIC_RATE
from streamer.calls.events import Setup
from streamer.calls.numbers import caller_key, home_plan
from streamer.lab.traffic import Traffic

LEAD_S: Final = 60
"""Simulated time before what is used: calls that last longer are few."""


class Corpus(NamedTuple):
    """`records` are (key, value) of all events in order of time; `setups` those of set-ups alone; `file` holds the set-ups
    as lines of key, tab, value. The last event is a moment old, so that no `at` needs clamping."""

    records: list[tuple[str, bytes]]
    setups: list[tuple[str, bytes]]
    file: Path

    @property
    def records_a_setup(self) -> float:
        """How many records of all types come with one set-up."""
        return len(self.records) / len(self.setups)


def simulate(seconds: int, folder: Path) -> Corpus:
    """The last `seconds` of a longer time of traffic at `TRAFFIC_RATE`, so that as many calls end in it as begin."""
    plan = home_plan("KZ")
    encode = msgspec.json.Encoder().encode
    stop_ms = int(time.time() * 1000)
    start_ms = stop_ms - seconds * 1000
    records: list[tuple[str, bytes]] = []
    setups: list[tuple[str, bytes]] = []
    for at, event, _ in Traffic(1, TRAFFIC_RATE, seconds=seconds + LEAD_S, start_ms=start_ms - LEAD_S * 1000):
        if at >= stop_ms:
            break
        if at < start_ms:
            continue
        record = caller_key(event.caller, event.asserted, event.callee, plan), encode(event)
        records.append(record)
        if isinstance(event, Setup):
            setups.append(record)
    file = folder / "setups.tsv"
    with file.open("wb") as lines:
        lines.writelines(key.encode() + b"\t" + value + b"\n" for key, value in setups)
    return Corpus(records, setups, file)
