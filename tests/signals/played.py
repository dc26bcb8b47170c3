"""One engine of all partitions, a merger and a book of cases in a closed loop, as workers and the merger are live."""

import orjson

from streamer.calls import codec
from streamer.calls.numbers import caller_key, home_plan
from streamer.calls.partitioner import partition_of
from streamer.engine import Engine
from streamer.records import Batch
from streamer.signals.casebook import Casebook
from streamer.signals.hot import hot
from streamer.signals.merger import Merger
from streamer.windows.hashing import secret_words
from tests.test_engine import NOW, PARTITIONS

PLAN = home_plan("KZ")


def setup(call_id, at, caller, callee, operator, ingress="national", **more):
    return {
        "type": "setup", "call_id": call_id, "at": at, "operator": operator, "caller": caller, "callee": callee,
        "ingress": ingress, **more,
    }  # fmt: skip


def after(call, kind, at, **more):
    """An answer or an end of a call."""
    who = {name: call[name] for name in ("call_id", "operator", "caller", "callee")}
    return {"type": kind, "at": at, **who, **more}


class Played:
    """Operators by their ranges, direct trunks of one to another; `said` of every set-up, `cases` that were opened."""

    def __init__(self, operators, trunks=()):
        self.engine = Engine(partitions=PARTITIONS, max_callers=100_000)
        self.merger, self.book = Merger(secret_words(b"test")), Casebook()
        self.said, self.cases = [], []
        self._read, self._taken = [0] * PARTITIONS, 0
        self.engine.apply("policy", "policy@p", b'{"version":"p","control_share":0.0}')
        self.engine.apply("policy", "current", b'{"version":"p"}')
        for operator, ranges in operators.items():
            told = {"operator": operator, "ranges": ranges, "publishes_originations": False}
            self.engine.apply("operators", operator, orjson.dumps(told))
        for operator, trunk, partner in trunks:
            told = {"operator": operator, "trunk": trunk, "partner": partner, "kind": "direct", "ranges": []}
            self.engine.apply("trunks", f"{operator}/{trunk}", orjson.dumps(told))

    def play(self, messages, every_ms=500):
        """Messages in the order of their times `at`, or (time in the log, message), judged together so often."""
        timed = [one if isinstance(one, tuple) else (one["at"], one) for one in messages]
        timed.sort(key=lambda one: one[0])
        begin = 0
        for place, (at, _) in enumerate(timed):
            if at // every_ms != timed[begin][0] // every_ms:
                self._judge(timed[begin:place])
                begin = place
        self._judge(timed[begin:])
        return self

    def of(self, **members):
        """Actions of the set-ups that have these members."""
        return [one["action"] for one in self.said if all(one[name] == value for name, value in members.items())]

    def opened(self):
        """Kind and measure of the cases that were opened."""
        return {(case.kind, case.measure) for case in self.cases}

    def _judge(self, timed):
        values, partitions, offsets = [], [], []
        for _, message in timed:
            key = caller_key(message["caller"], message.get("asserted"), message["callee"], PLAN)
            partition = partition_of(key.encode(), PARTITIONS)
            values.append(orjson.dumps(message))
            partitions.append(partition)
            offsets.append(self._read[partition])
            self._read[partition] += 1
        at = [time for time, _ in timed]
        outcomes = self.engine.process(Batch(partitions, offsets, at, values, [False] * len(at)), at[-1])
        self.said += [orjson.loads(value) for _, _, value in outcomes.decisions]
        for _, value in outcomes.counts:
            self.merger.take(self._taken, codec.decode_counts(value))
            self._taken += 1
        for key, signal in self.merger.changes():
            self.engine.apply("signals", key, None if signal is None else codec.encode(signal))
            for subject in () if signal is None else hot(signal, self.merger.lines):
                self.cases += self.book.heed(subject)


def ordinary(operator="op-a", begin=NOW, seconds=1_000, **more):
    """A call a second of own lines, each to another number: what lets it be known what is usual."""
    return [
        setup(
            f"o{n}",
            begin + 1_000 * n,
            f"+7701{2_000_000 + 3_571 * n % 5_000_000}",
            f"+7727{2_000_000 + 7_919 * n % 900_000}",
            operator,
            "subscriber",
        )
        for n in range(seconds)
    ]
