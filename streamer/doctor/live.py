"""What one operator publishes now, record by record of the whole topic."""

from __future__ import annotations

from collections import Counter
from typing import Final, NamedTuple

from streamer.calls.codec import decode_call, operator_of
from streamer.calls.events import CallEvent
from streamer.calls.numbers import HomePlan
from streamer.doctor import values
from streamer.doctor.book import Book
from streamer.doctor.clocks import Clocks
from streamer.doctor.findings import Finding, Flaw, share
from streamer.doctor.on_time import OnTime
from streamer.doctor.placement import Placement
from streamer.errors import MessageError

_MOST: Final = 10_000
"""Names of other operators that are counted: whoever publishes may name as many as he likes;"""
_OTHERS: Final = "(others)"
"""what others are counted as then."""
_ENOUGH: Final = 20
_SETTLED_MS: Final = 2_000
_ODD_SHARE: Final = 0.01
_END_SHARE: Final = 0.5
_REPEAT_SHARE: Final = 0.05


class Heard(NamedTuple):
    """One record of `calls`: where it lies, when it was appended (ms; None without the broker's append time), what it has."""

    partition: int
    offset: int
    append_ms: int | None
    key: bytes | None
    value: bytes | None
    rekeyed: bool


class Watch:
    """Watches one operator among the records of all.

    Watching begins with its first event, by its own clock: calls that began before may lack their set-up.
    """

    def __init__(self, operator: str, plan: HomePlan, partitions: int) -> None:
        self.operator = operator
        self._plan = plan
        self._book = Book(plan)
        self._placement = Placement(plan, partitions)
        self._clocks = Clocks()
        self._on_time = OnTime(operator, plan)
        self._others: Counter[str] = Counter()
        self._flaws: Counter[str] = Counter()
        self._first: dict[str, tuple[str, Flaw]] = {}
        self._refused = self._records = self._nobodys = self._rekeyed = 0

    def take(self, record: Heard) -> None:
        """Take in one record; what workers produced again into its partition was judged as it was published."""
        event = _sound(record.value)
        operator = event.operator if event is not None else operator_of(record.value)
        if record.rekeyed:
            self._rekeyed += operator == self.operator
            return
        if event is not None:
            self._on_time.take(event)
        if operator != self.operator:
            if operator is None:
                self._nobodys += 1
            else:
                self._others[operator if operator in self._others or len(self._others) < _MOST else _OTHERS] += 1
            return
        _, flaws = values.judge(record.value or b"")
        self._records += 1
        place = f"partition {record.partition} offset {record.offset}"
        if event is None:
            self._refused += 1
            self._note("refused", place, flaws[0])
            return
        self._placement.take(event, record.key, record.partition, place)
        if self._book.since_ms is None:
            self._book.since_ms = event.at + _SETTLED_MS
        if record.append_ms is not None:
            self._clocks.take(event.operator, event.at, record.append_ms)
        for flaw in (*flaws, *values.of_numbers(event, self._plan), *self._book.take(event)):
            self._note(flaw.reason, place, flaw)

    def _note(self, reason: str, place: str, flaw: Flaw) -> None:
        self._flaws[reason] += 1
        self._first.setdefault(reason, (place, flaw))

    def findings(self, *, clamp: bool = True) -> list[Finding]:
        """How it stands, check by check."""
        if not self._records:
            return [self._nothing()]
        events = self._book.events
        told = ", ".join(f"{events[kind]:,} {kind}" for kind in ("setup", "answer", "end"))
        found = [Finding("traffic", "ok", f"{self._records:,} records: {told}"), self._contract()]
        found += self._placement.findings()
        found += self._clocks.findings(clamp=clamp)
        found += [self._ids(), self._setups(), self._ends(), self._numbers()]
        if self._flaws["ignored_field"]:
            found.append(self._odd("fields", "ignored_field", "warning"))
        return [*found, self._on_time.finding()]

    def _nothing(self) -> Finding:
        seen = ", ".join(name for name, _ in self._others.most_common(5)) or "nobody else"
        nobodys = f", and {self._nobodys:,} records of no operator" if self._nobodys else ""
        return Finding(
            "traffic",
            "failed",
            f"nothing of {self.operator!r} came; seen: {seen}{nobodys}",
            "see that it publishes to this cluster and prefix, and that `operator` in its messages is spelled so",
        )

    def _contract(self) -> Finding:
        nobodys = f"; {self._nobodys:,} records of the topic name no operator" if self._nobodys else ""
        out = self._flaws["out_of_range"]
        wrong = self._refused + out
        if not wrong:
            return Finding("contract", "warning" if nobodys else "ok", f"every record is taken in{nobodys}")
        place, flaw = self._first["refused" if self._refused else "out_of_range"]
        text = f"{share(wrong, self._records)} records break the contract, first {place}: {flaw.text}{nobodys}"
        return Finding("contract", "failed", text, flaw.mend)

    def _odd(self, check: str, reason: str, state: str) -> Finding:
        place, flaw = self._first[reason]
        text = f"{share(self._flaws[reason], self._records)} records, first {place}: {flaw.text}"
        return Finding(check, "failed" if state == "failed" else "warning", text, flaw.mend)

    def _ids(self) -> Finding:
        if self._flaws["duplicate_id"]:
            return self._odd("ids", "duplicate_id", "warning")
        repeats, setups = self._book.repeats, self._book.events["setup"]
        if repeats > _REPEAT_SHARE * setups:
            mend = "publish a set-up once; a retry is for when its decision did not come"
            return Finding("ids", "warning", f"{share(repeats, setups)} set-ups came again", mend)
        return Finding("ids", "ok", f"each of {self._book.set_up:,} calls has an id of its own")

    def _setups(self) -> Finding:
        for reason in ("out_of_order", "other_caller", "no_setup"):
            if self._flaws[reason]:
                return self._odd("set-ups", reason, "failed")
        others = self._book.events["answer"] + self._book.events["end"]
        return Finding(
            "set-ups", "ok", f"{others:,} answers and ends go with a set-up before them, or one before the watch"
        )

    def _ends(self) -> Finding:
        for reason in ("no_talk", "too_long", "seconds"):
            if self._flaws[reason]:
                return self._odd("ends", reason, "warning")
        setups, ends = self._book.set_up, self._book.events["end"]
        if setups < _ENOUGH:
            return Finding("ends", "skipped", f"{setups} calls are too few to miss ends; watch for longer")
        text = f"{ends:,} ends to {setups:,} set-ups; in the long run there are as many"
        mend = "publish the end of each call, answered or not; or watch for longer, if calls last long here"
        if not ends:
            return Finding("ends", "failed", text, mend)
        return Finding("ends", "warning", text, mend) if ends < _END_SHARE * setups else Finding("ends", "ok", text)

    def _numbers(self) -> Finding:
        if self._flaws["unnormalised"] > _ODD_SHARE * self._records:
            return self._odd("numbers", "unnormalised", "warning")
        return Finding(
            "numbers", "ok", f"unreadable numbers: {share(self._flaws['unnormalised'], self._records)} records"
        )


def _sound(value: bytes | None) -> CallEvent | None:
    try:
        return decode_call(value)
    except MessageError:
        return None
