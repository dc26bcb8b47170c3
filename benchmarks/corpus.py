"""The calls that everybody gets: simulated traffic, encoded once, kept in memory and in a file for the publishers."""

from __future__ import annotations

import time
from pathlib import Path
from typing import NamedTuple

import msgspec

from benchmarks.sizes import TRAFFIC_RATE
from streamer.calls.events import Setup
from streamer.calls.numbers import caller_key, home_plan
from streamer.lab.traffic import Traffic


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
    """`seconds` of traffic at `TRAFFIC_RATE`, cut where set-ups stop so that the mix is even throughout."""
    plan = home_plan("KZ")
    encode = msgspec.json.Encoder().encode
    start_ms = int(time.time() * 1000) - seconds * 1000
    stop_ms = start_ms + seconds * 1000
    records: list[tuple[str, bytes]] = []
    setups: list[tuple[str, bytes]] = []
    for at, event, _ in Traffic(1, TRAFFIC_RATE, seconds=seconds, start_ms=start_ms):
        if at >= stop_ms:
            break
        record = caller_key(event.caller, event.asserted, event.callee, plan), encode(event)
        records.append(record)
        if isinstance(event, Setup):
            setups.append(record)
    file = folder / "setups.tsv"
    with file.open("wb") as lines:
        lines.writelines(key.encode() + b"\t" + value + b"\n" for key, value in setups)
    return Corpus(records, setups, file)
