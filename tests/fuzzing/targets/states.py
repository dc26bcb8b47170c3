"""State that comes back from topics and files: what a worker has saved, where it says it is, and what a trainer leaves."""

import functools
import re
from pathlib import Path

import orjson

from streamer.calls.codec import decode_decision, decode_evidence, decode_feedback
from streamer.calls.numbers import home_plan
from streamer.errors import ModelError, StateError
from streamer.kafka.tables import Change
from streamer.models.labels import claim
from streamer.stream import pointers
from streamer.training import log
from streamer.training.cases import Cases
from streamer.training.changes import Mark
from streamer.training.state import TrainerState
from tests.fuzzing import state
from tests.fuzzing.mutation import mutated
from tests.fuzzing.target import Target, shape
from tests.fuzzing.targets.messages import PLAN, samples
from tests.test_engine import NOW, PARTITIONS, batch, traffic

_PARTITION = re.compile(rb'"partition":(\d)')
DIGEST = 32


@functools.cache
def exported():
    engine = state.grown()
    return [engine.export(partition) for partition in range(PARTITIONS)]


def bodies():
    return [packed[:-DIGEST] for packed in exported()]


def dented(draw, data, pool, tokens):
    """Sound state damaged as `state` does, or an input changed like any other."""
    if draw.random() < 0.8:
        return state.damaged(draw, draw.choice(exported()))[:-DIGEST]
    return mutated(draw, data, pool, tokens)


def place_of(data):
    found = _PARTITION.search(data[:64])
    return int(found[1]) % PARTITIONS if found else 0


class Importer:
    """An engine that takes state in, begun anew now and then, since it remembers every policy that is named."""

    def __init__(self):
        self.taken = 0

    def opened(self, data):
        """What is sealed by the right key: `StateError`, or a header and columns; of another key `StateError`."""
        engine = self.engine()
        partition = place_of(data)
        for wrong in (data, state.seal(data, b"another")):
            try:
                engine.opened(partition, wrong)
            except StateError:
                continue
            raise AssertionError("taken in without the secret")
        try:
            found = engine.opened(partition, state.seal(data))
        except StateError as error:
            return shape(error)
        return tuple(len(rows) for rows in found.columns.values())[:1]

    def put(self, data):
        """As `opened`, and then put into the engine, whose tables stay in order and which goes on judging."""
        engine = self.engine()
        partition = place_of(data)
        try:
            engine.import_state(partition, state.seal(data))
        except StateError as error:
            return shape(error)
        self.taken += 1
        state.in_order(engine.state)
        if self.taken % 10 == 0:
            for _, _, value in engine.process(self.more, NOW).decisions:
                decode_decision(value)
            engine.tick(partition, NOW)
            engine.import_state(partition, engine.export(partition))
            state.in_order(engine.state)
        return engine.callers_held

    def engine(self):
        if self.taken % 500 == 0:
            self.taken += 1
            self.held = state.grown(max_callers=16 if self.taken % 1_000 == 1 else 1_000)
            self.more = batch([*traffic(5, 60), *traffic(6, 12)])
        return self.held


def pointer(data):
    """What is committed with an offset: `StateError`, or a pointer that is written as it was read, of offsets that there are."""
    try:
        found = pointers.read(3, data.decode("utf-8", "replace"))
    except StateError as error:
        return shape(error)
    if found is None:
        return None
    assert pointers.read(3, pointers.written(found)) == found
    edges = [found.said, *(edge for span in found.state for edge in span)]
    assert max(edges) < 2**63
    assert all(first in found and last in found for first, last in found.state)
    return len(found.state), bool(found.said)


def table(data):
    """Lines of key, tab and value (without the tab: removed) as records of `trainer.v1`."""
    return [
        Change("trainer", line.partition(b"\t")[0].decode("utf-8", "backslashreplace"),
               line.partition(b"\t")[2].replace(b"\\n", b"\n") if b"\t" in line else None, "trainer.v1", 0, number, None, [])
        for number, line in enumerate(data.split(b"\n")[:20])
    ]  # fmt: skip


@functools.cache
def cases():
    return Cases(Path(":memory:"), PLAN)


def left(data):
    """What trainers leave: `StateError` or `ModelError`, or a trainer that can go on, learn and publish."""
    try:
        found = log.joined(table(data))
        made = None if found.state is None else TrainerState.from_json(found.state, 1_000)
        marks = cases().changes.restore(found.file)
    except (StateError, ModelError) as error:
        return type(error).__name__, shape(error)
    finally:
        cases()._db.execute("ROLLBACK")
        cases()._db.execute("BEGIN IMMEDIATE")
    assert marks.of(0, 5) is None or isinstance(marks.of(0, 5), Mark)
    if made is not None:
        positions = {(topic, part): after for topic, part, after in found.state["positions"]}
        orjson.dumps(made.to_json(positions))
        made.learner.learn_case({}, fraud=True)
        made.measuring.close(NOW)
        made.expired(NOW, 1_000)
        made.snapshot(NOW)
    return found.epoch > 0, found.state is not None, len(found.file)


def leavings():
    """Records as a trainer that has learned leaves them."""
    made = TrainerState.new(1_000)
    evidence = decode_evidence(samples("evidence")[-1])
    held = Cases(Path(":memory:"), home_plan("KZ"))
    list(held.add_evidence(evidence, 0, 5))
    report = decode_feedback(samples("feedback")[0])
    claimed = claim(report, PLAN)
    list(held.add_report(report.at, claimed, until=report.at + 10**9) or ())
    made.learner.learn_case({"ring_ms": 3.0}, fraud=True)
    made.measuring.add(NOW, 0.7, fraud=True, weight=2.0)
    made.expired(NOW, 1_000)
    records = [
        log.lease("trainer.v1", 3, 7, "me", NOW),
        *log.pieces("trainer.v1", made.to_json({("evidence.v1", 0): 6}), 0),
    ]
    own = [b"%s\t%s" % (key.encode(), value.replace(b"\n", b"\\n")) for key, value in held.changes.records() if value and b"\t" not in value]  # fmt: skip
    lines = [b"%s\t%s" % (key.encode(), value) for _, key, value in records if value is not None]
    held.close()
    return [b"\n".join((*lines, *own)), *lines, *own]


def learner(data):
    """The state in a trainer's own file: `StateError` or `ModelError`, or a trainer that can go on."""
    try:
        found = orjson.loads(data)
    except orjson.JSONDecodeError:
        return None
    if not isinstance(found, dict):
        return None
    text = orjson.dumps({"epoch": 1, "seq": 1, "part": 0, "parts": 1, "text": orjson.dumps(found).decode()})
    return left(b"state/0\t" + text)


TARGETS = (
    Target("state-of-a-partition-opened", Importer().opened, bodies, 5_000, "`StateError`, or sound columns; never without the secret", mutate=dented, compiled=True),
    Target("state-of-a-partition-put-in", Importer().put, bodies, 750, "`StateError`, or tables in order and judging goes on", mutate=dented, compiled=True),
    Target("pointers-to-state", pointer, lambda: [b'{"state":[[3,5],[9,9]],"said":77}', b'{"state":[],"said":0}', b""], 150_000,
           "`StateError`, or what is written as it was read, within Kafka's offsets", (b"[", b"]", b"[1,2]", b'"state"', b'"said"')),
    Target("what-trainers-leave", left, leavings, 5_000, "`StateError` or `ModelError`, or a trainer that goes on",
           (b"state/0\t", b"lease\t", b"marks/0/0\t", b'"text"', b'"parts"')),
    Target("a-trainer-state", learner, lambda: [orjson.dumps(TrainerState.new(1_000).to_json({("evidence.v1", 0): 6}))], 2_500,
           "`StateError` or `ModelError`, or a trainer that goes on", (b'"learner"', b'"weights"', b'"edges"', b"null")),
)  # fmt: skip
