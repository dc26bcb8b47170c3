"""What operators say of their lines: does it lie where the lines' calls do, and does it say anything?"""

from __future__ import annotations

from collections import Counter
from typing import Final

from streamer.calls.codec import decode_fact
from streamer.calls.events import FACT_VALUES
from streamer.calls.numbers import HomePlan, normalise, utf8
from streamer.calls.partitioner import partition_of
from streamer.doctor.findings import Finding, share
from streamer.errors import MessageError

_MENDS: Final = {
    "in another partition than their numbers' calls": "key each by the number as `+` and digits, and set the partitioner to murmur2:"
    " librdkafka `partitioner=murmur2_random`; `streamer dlq replay --reason misplaced` sends on what was put aside",
    "break the contract": "publish them anew as schemas/subscriber-fact.v1.json asks",
    "say a word that nobody knows, so that nothing is known": "home or roaming on `location`, active or inactive on `line`",
}
_WHERE, _BROKEN, _WORD = _MENDS


class Told:
    """Counts facts, and what is wrong with them."""

    def __init__(self, plan: HomePlan) -> None:
        self._plan = plan
        self._facts = 0
        self._wrong: Counter[str] = Counter()
        self._first: dict[str, str] = {}
        self._active: Counter[str] = Counter()
        self._ageless: Counter[str] = Counter()

    def take(self, key: bytes | None, value: bytes | None, partition: int, partitions: int, place: str) -> None:
        """Count one record of a fact topic; `place` names it in words."""
        self._facts += 1
        try:
            fact = None if value is None else decode_fact(value)
        except MessageError:
            self._note(_BROKEN, place)
            return
        number = (key or b"").decode("utf-8", "backslashreplace") if fact is None else fact.number
        if partition_of(utf8(normalise(number, self._plan)), partitions) != partition:
            self._note(_WHERE, place)
        elif fact is not None and fact.value not in FACT_VALUES.get(fact.fact, (fact.value,)):
            self._note(_WORD, place)
        elif fact is not None and (fact.fact, fact.value) == ("line", "active"):
            self._active[fact.operator] += 1
            self._ageless[fact.operator] += fact.since is None

    def _note(self, what: str, place: str) -> None:
        self._wrong[what] += 1
        self._first.setdefault(what, place)

    def findings(self) -> list[Finding]:
        """How they stand; what is worst is named. And where active lines lack their `since`, that."""
        return [self._finding(), *self._of_age()]

    def _finding(self) -> Finding:
        for what, mend in _MENDS.items():
            if self._wrong[what]:
                text = f"{share(self._wrong[what], self._facts)} facts {what}, first {self._first[what]}"
                return Finding("facts", "warning" if what == _WORD else "failed", text, mend)
        if not self._facts:
            return Finding("facts", "skipped", "no operator says anything of its lines")
        return Finding("facts", "ok", f"{self._facts:,} facts lie where their numbers' calls do")

    def _of_age(self) -> list[Finding]:
        told = ", ".join(
            f"{operator} {share(count, self._active[operator])}"
            for operator, count in self._ageless.most_common(5)
            if count
        )
        if not told:
            return []
        return [
            Finding(
                "facts",
                "warning",
                f"active lines without `since`: {told}: none is known to be new, and none is in good standing before its fact is 30 days old",
                "publish `line` facts with `since`, when the line became active: of `at` nobody takes it",
            )
        ]
