"""Keys and partitions: does each record lie under its caller key, and where Kafka's murmur2 puts that key?"""

from __future__ import annotations

from collections import Counter
from typing import Final

from streamer.calls.events import CallEvent
from streamer.calls.numbers import HomePlan, caller_key, utf8
from streamer.calls.partitioner import partition_of
from streamer.doctor.findings import Finding, Flaw, share

KEY_MEND: Final = (
    "key each record by its caller key: the rule and its test vectors are in schemas/caller-key-vectors.json; of a withheld"
    " caller's answer and end the key needs `asserted` as at the set-up"
)
PARTITIONER_MEND: Final = (
    "set the publisher's partitioner to murmur2: librdkafka `partitioner=murmur2_random`, the Java client's default with a"
    " key, kafka-python's default; and let no code choose the partition"
)


def flaw_of_key(key: bytes | None, event: CallEvent, plan: HomePlan) -> Flaw | None:
    """What is wrong with a record's key, None when it is the caller key.

    A record's answer and end are keyed by the same rule as its set-up.
    """
    wanted = caller_key(event.caller, event.asserted, event.callee, plan)
    if key == utf8(wanted):
        return None
    if key is None:
        return Flaw(
            "key", "no_key", "the record has no key, so that it lies anywhere", f"its key is {wanted!r}; {KEY_MEND}"
        )
    shown = key.decode("utf-8", "backslashreplace")[:80]
    why = ", the number as it came" if key == utf8(event.caller) else ""
    return Flaw(
        "key", "wrong_key", f"the key {shown!r} is not the caller key{why}", f"its key is {wanted!r}; {KEY_MEND}"
    )


class Placement:
    """Counts records by operator: under a wrong key, and in another partition than their own key belongs to."""

    def __init__(self, plan: HomePlan, partitions: int) -> None:
        self._plan = plan
        self._partitions = partitions
        self.records: Counter[str] = Counter()
        self.wrong_keys: Counter[str] = Counter()
        self.wrong_partitions: Counter[str] = Counter()
        self._first: dict[str, str] = {}

    def take(self, event: CallEvent, key: bytes | None, partition: int, place: str) -> None:
        """Count one record as its publisher wrote it; `place` names it in words."""
        operator = event.operator
        self.records[operator] += 1
        flaw = flaw_of_key(key, event, self._plan)
        if flaw is not None:
            self.wrong_keys[operator] += 1
            self._first.setdefault(operator, f"{place}: {flaw.text}, {flaw.mend.split(';')[0]}")
        if key is not None and partition_of(key, self._partitions) != partition:
            self.wrong_partitions[operator] += 1

    def findings(self) -> list[Finding]:
        """One finding on keys and one on partitions, each naming the operators that are wrong."""
        total = self.records.total()
        if not total:
            return [Finding(check, "skipped", "no records to look at") for check in ("keys", "partitioner")]
        found = []
        for check, wrong, said, mend in (
            ("keys", self.wrong_keys, "under a wrong key", KEY_MEND),
            ("partitioner", self.wrong_partitions, "where murmur2 does not put their key", PARTITIONER_MEND),
        ):
            if not wrong:
                right = "under their caller key" if check == "keys" else "where murmur2 puts their key"
                found.append(Finding(check, "ok", f"{total:,} records lie {right}"))
                continue
            by = ", ".join(f"{operator} {share(n, self.records[operator])}" for operator, n in wrong.most_common(5))
            first = f"; {self._first[wrong.most_common(1)[0][0]]}" if check == "keys" else ""
            found.append(Finding(check, "failed", f"{wrong.total():,} records {said}: {by}{first}", mend))
        return found
