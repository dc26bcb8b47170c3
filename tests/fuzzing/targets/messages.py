"""Records: the messages of the contract, what the engine does with them, dead letters and their headers."""

import contextlib
import functools
import json
import sys
from pathlib import Path

import msgspec
import orjson
from confluent_kafka import Message

from streamer.calls import codec
from streamer.calls.codec import decode_call, decode_decision, decode_evidence, encode
from streamer.calls.events import Setup
from streamer.calls.numbers import home_plan
from streamer.desk import entries, letters, operators, rules
from streamer.desk.noted import Noted
from streamer.doctor.sample import Sample
from streamer.engine import Engine
from streamer.errors import MessageError
from streamer.in_force import InForce
from streamer.kafka.dead_letters import dead_letter_headers
from streamer.kafka.headers import MOST, headers_of, headers_of_all
from streamer.kafka.logs import LogRecord
from streamer.kafka.topics import Topics
from streamer.records import Batch
from streamer.settings import Settings
from streamer.training.cases import Cases
from streamer.training.intake import Intake
from tests.calls.reading import as_decoded, as_read
from tests.fuzzing.target import Target, shape

SAMPLES = Path(__file__).parents[2] / "samples"
NOW = 1_763_953_000_000
PLAN = home_plan("KZ")
TOPICS = Topics(Settings())
REASONS = {"too_large", "not_json", "missing_field", "wrong_type", "out_of_range", "unknown_type", "unknown_value"}
MESSAGES = {
    "setup": codec.decode_call, "answer": codec.decode_call, "end": codec.decode_call,
    "subscriber-fact": codec.decode_fact, "operator": codec.decode_operator, "trunk": codec.decode_trunk,
    "list-entry": codec.decode_list_entry, "feedback": codec.decode_feedback, "decision": decode_decision,
    "evidence": decode_evidence, "case": codec.decode_case, "policy": codec.decode_policy, "policy-pointer": codec.decode_policy_pointer,
    "partial-sums": codec.decode_counts, "busy-line": codec.decode_counts, "swapped-sim": codec.decode_counts, "lure": codec.decode_counts,
    "newcomer": codec.decode_counts, "signal": codec.decode_signal,
    "demotion": codec.decode_demotion, "model-snapshot": codec.decode_model, "model-pointer": codec.decode_model_pointer,
}  # fmt: skip


def samples(*names):
    return [path.read_bytes() for name in names for path in sorted(SAMPLES.glob(f"v*/{name}.json"))]


def plainly(data):
    """As Python reads it; members that a message has not got may be of any bytes."""
    return json.loads(data.decode("utf-8", "surrogateescape"), parse_int=_whole)


def _whole(digits):
    return int(digits) if len(digits) <= sys.get_int_max_str_digits() else float(digits)


def _same(said, taken):
    """Whether a message says what the plain reader of JSON finds, as far as the message has it."""
    if isinstance(said, dict) and isinstance(taken, dict):
        return all(_same(value, taken[name]) for name, value in said.items() if name in taken)
    if isinstance(said, list) and isinstance(taken, list | tuple):
        return len(said) == len(taken) and all(map(_same, said, taken))
    if isinstance(taken, float) and isinstance(said, int | float):
        return float(said) == taken
    return type(said) is type(taken) and said == taken


def _message(name):
    decode = MESSAGES[name]

    def run(data):
        try:
            found = decode(data)
        except MessageError as error:
            assert error.reason in REASONS, error.reason
            return error.reason, shape(error)
        assert _same(plainly(data), msgspec.to_builtins(found))
        try:
            again = encode(found)
        except TypeError as error:  # a code beyond 64 bits, which no decision of ours has
            assert str(error) == "Integer exceeds 64-bit range"
        else:
            assert decode(again) == found
        return tuple(value is None or not value for value in msgspec.structs.astuple(found))

    return Target(
        f"message-{name}",
        run,
        functools.partial(samples, name),
        150_000,
        "`MessageError` alone; what is taken equals Python's json and goes through `encode` unchanged",
        tuple(b'"%s"' % field.encode() for field in _words(name)),
    )


def _words(name):
    found = set()
    for sample in samples(name):
        found |= json.loads(sample).keys()
    return sorted(found)


@functools.cache
def judge():
    return Engine(partitions=1, max_callers=1_000, max_calls=2_000)


def reading(data):
    """A batch of lines, read by the compiled loop and by the codec."""
    values = data.split(b"\n")[:20]
    answers = [as_decoded(value) for value in values]
    assert as_read(values) == answers
    return tuple(sorted({said[0] for said in answers if isinstance(said[0], str)})), len(answers)


def _by_the_codec(values):
    events, refused = {}, []
    for row, value in enumerate(values):
        try:
            events[row] = decode_call(value)
        except MessageError as error:
            refused.append((row, error.reason, str(error)))
    return events, refused


def records(data):
    """A batch of lines through the engine: each is judged, refused or both, and all that is said can be read."""
    values = data.split(b"\n")[:20]
    n = len(values)
    offsets = list(range(n))
    outcomes = judge().process(Batch([0] * n, offsets, [NOW] * n, values, [False] * n), NOW)
    events, refused = _by_the_codec(values)
    assert outcomes.rejected == refused
    decided = {row for row, _, _ in outcomes.decisions}
    for row, call_id, value in outcomes.decisions:
        assert decode_decision(value).call_id == call_id == plainly(values[row])["call_id"]
    for _, _, value in outcomes.evidence:
        decode_evidence(value)
    assert {row for row, event in events.items() if isinstance(event, Setup)} <= decided
    return tuple(sorted({reason for _, reason, _ in outcomes.rejected})), tuple(sorted(outcomes.reasons)), len(decided)


KINDS = ("lists", "policy", "operators", "trunks", "models", "signals", *(f"subscribers.{fact}" for fact in ("location", "line", "sim", "device", "holder", "network")))  # fmt: skip


class Registers:
    """What is in force, begun anew now and then, since it may grow as long as entries are allowed to come."""

    def __init__(self):
        self.taken = 0
        self.known = None

    def fresh(self):
        engine = judge()
        if self.known is None or self.taken % 2_000 == 0:
            self.known = InForce(PLAN, engine._numbers, 1, engine._secret)
            engine._in_force = self.known
        return self.known

    def apply(self, data):
        """A record of a control topic: the first byte is the topic, the first line the key."""
        known = self.fresh()
        kind = KINDS[data[0] % len(KINDS)] if data else "lists"
        key, mark, value = data[1:].partition(b"\n")
        self.taken += 1
        before = self.told()
        try:
            why = known.apply(kind, key.decode("utf-8", "backslashreplace"), value if mark else None)
        except MessageError as error:
            assert error.reason in REASONS
            assert self.told() == before, "a refused record changed something"
            return kind, error.reason, shape(error)
        if self.taken % 20 == 0:
            records(SETUPS)
        return kind, why is None, self.told() == before

    def told(self):
        known = self.known
        return (
            known.versions.now, known.policy_named("a"), len(known.lists), len(known.facts), len(known.signals), dict(known.awaited),
            list(known.demotions.by_key), len(known.demotions.scopes), len(known.operators.rows),
        )  # fmt: skip


SETUPS = b"\n".join(sample.replace(b"\n", b"") for sample in samples("setup", "answer", "end"))


def control_seeds():
    named = {
        "policy": [("policy-pointer", "current"), ("policy", None), ("demotion", None)],
        "lists": [("list-entry", "block/exact/caller//+77010000001")], "operators": [("operator", "op-a")],
        "trunks": [("trunk", "op-a/t")], "models": [("model-pointer", "current/champion"), ("model-snapshot", None)], "signals": [("signal", None)],
        "subscribers.location": [("subscriber-fact", "+77010000001")],
    }  # fmt: skip
    found = []
    for kind, given in named.items():
        for name, key in given:
            for sample in samples(name):
                said = json.loads(sample)
                if name == "signal":
                    key = f"{said['kind']}/{said['subject']}"
                elif name == "policy":
                    key = f"policy@{said['version']}"
                elif name == "model-snapshot":
                    key = f"{said['name']}@{said['version']}"
                elif name == "demotion":
                    key = letters.demotion_key(codec.decode_demotion(sample))
                found.append(b"%c%s\n%s" % (KINDS.index(kind), key.encode(), sample))
                found.append(b"%c%s" % (KINDS.index(kind), key.encode()))
    return found


def letter(data):
    """Headers as lines `name:value`, a blank line, and a record: read as a dead letter, planned, and made one again."""
    head, _, value = data.partition(b"\n\n")
    headers = []
    for line in head.split(b"\n"):
        name, mark, given = line.partition(b":")
        headers.append((name.decode("utf-8", "replace").replace("\0", ""), given if mark else None))
    message = Message(topic="t", value=value, headers=headers)
    assert headers_of(message) == headers_of_all([message])[0] == headers[:MOST]
    record = LogRecord("dlq.calls.v1", 0, 5, NOW, b"k", value, tuple(headers))
    (found,) = letters.letters([record])
    if not isinstance(found, letters.Letter):
        return "note"
    (plan,) = letters.planned([found], TOPICS, PLAN, Noted())
    orjson.dumps(letters.as_json(found))
    assert all(name != letters.FROM or given.isascii() for name, given in letters.headers_again(found, "é"))
    buried = dead_letter_headers("r", found.message, "calls.v1", 2, 3, letters.headers_again(found, "me"))
    (again,) = letters.letters([record._replace(headers=tuple(buried))])
    assert (again.reason, again.topic, again.partition, again.offset) == ("r", "calls.v1", 2, 3)
    assert again.replayed == found.replayed + 1 or found.replayed >= 10**18
    return plan.verdict, shape(plan.why), found.operator is None


def letter_seeds():
    head = b"error.reason:not_json\nerror.message:bad\nsource.topic:%s\nsource.partition:1\nsource.offset:7\nreplayed:2\n\n"
    topics = {"setup": b"calls.v1", "feedback": b"feedback.v1", "evidence": b"evidence.v1", "policy": b"policy.v1"}
    return [
        head.replace(b"replayed:2\n", b"") % topic + sample
        for name, topic in topics.items()
        for sample in samples(name)
    ] + [head % b"calls.v1", b"replayed.offset:5\n\n"]


def doctor(data):
    """A publisher's sample, line by line: never an error; refused is what the workers refuse."""
    sample = Sample(PLAN, NOW, ":" if data[:1] == b"k" else None)
    refused = 0
    for number, line in enumerate(data.split(b"\n")[:20]):
        before = sample.refused
        sample.take(number + 1, line)
        if data[:1] != b"k" and number:
            try:
                decode_call(line)
            except MessageError:
                refused += 1
            assert sample.refused - before == refused
            refused = 0
    for found in sample.findings():
        str(found)
    return tuple(sorted({(field, reason) for field, reason, _ in sample.counts if field.isascii() and len(field) < 20}))


@functools.cache
def intake():
    cases = Cases(Path(":memory:"), PLAN)
    return Intake(cases, 30 * 24 * 3_600_000), cases


def taught(data):
    """Evidence (as it begins) or feedback into the trainer's file: lessons or `MessageError`."""
    taking, cases = intake()
    try:
        if b'"decision"' in data:
            lessons = list(taking.take_evidence(data, 0, len(data), NOW + 10**9))
            told = "evidence"
        else:
            lessons, told = taking.take_feedback(data, NOW + 10**9)
            lessons = list(lessons)
    except MessageError as error:
        assert error.reason in REASONS
        return error.reason, shape(error)
    finally:
        cases._db.execute("ROLLBACK")
        cases._db.execute("BEGIN IMMEDIATE")
    return told, len(lessons)


def desk(data):
    """Records as the desk lists them and their past: entries of lists, policies, operators."""
    found = [
        LogRecord("lists.v1", 0, number, NOW, line.partition(b"\t")[0], line.partition(b"\t")[2] or None, ())
        for number, line in enumerate(data.split(b"\n")[:10])
    ]
    held = entries.held(found)
    for each in held:
        orjson.dumps(entries.as_json(each, NOW))
        assert entries.matching([each], PLAN, number=each.entry.number, which=each.entry.list) == [each]
    standing = rules.Standing()
    list(rules.history(found))
    for line in found:
        standing.take(line)
        with contextlib.suppress(MessageError):
            codec.decode_operator(line.value)
            assert codec.decode_operator(operators.with_mode(line.value, "shadow")).mode == "shadow"
    return tuple(change.done for change in entries.history(found)), len(held)


TARGETS = (
    *(_message(name) for name in MESSAGES),
    Target("calls-read", reading, lambda: [SETUPS, *samples("setup", "answer", "end")], 60_000,
           "a batch is read as the codec reads each record of it",
           (b'"caller"', b'"type":"end"', b'"', b"\\", b"{", b"}", b":", b",", b"null", b"true", b"false", b"0", b"\x7f", b"\xc3\xa9"), compiled=True),
    Target("records-in-the-engine", records, lambda: [SETUPS, *samples("setup", "answer", "end")], 3_000,
           "judged, refused, or answered though broken; every decision and evidence decodes", (b'"caller"', b'"asserted"'), compiled=True),
    Target("control-records", Registers().apply, control_seeds, 20_000,
           "`MessageError` alone, and then nothing is changed; calls are judged on", (b'"thresholds"', b'"actions"', b"policy@", b"demotion/"), compiled=True),
    Target("dead-letters", letter, letter_seeds, 7_500,
           "read, planned and buried again, with our headers once and in ASCII", (b"source.offset:", b"replayed:", b"replayed.offset:", b"error.reason:")),
    Target("doctor-sample", doctor, lambda: [SETUPS, b"k+77010000001:" + SETUPS, *samples("setup", "answer", "end")], 10_000,
           "no error; refused is what `decode_call` refuses", (b'"at"', b'"callId"')),
    Target("trainer-intake", taught, lambda: samples("evidence", "feedback"), 10_000,
           "lessons, or `MessageError`", (b'"from"', b'"to"', b'"scope":"line"')),
    Target("registers-at-the-desk", desk,
           lambda: [b"block/exact/caller//+77010000001\t" + sample for sample in samples("list-entry")]
           + [b"policy@a\t" + sample for sample in samples("policy")], 10_000,
           "no error; each entry is found under its own number"),
)  # fmt: skip
