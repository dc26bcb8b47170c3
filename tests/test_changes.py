"""Checkpoints: a partition put together from pieces equals the one that they were copied from, and what was said stands."""

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamer.calls.codec import decode_decision
from streamer.journal import Journal
from streamer.windows import calls as windows
from streamer.windows import table
from streamer.windows.hashing import BUCKETS
from tests.fuzzing.state import told
from tests.test_engine import NOW, PARTITIONS, batch, engine, judge, part, setup, traffic


class Chain:
    """Pieces of one partition as a log keeps them: those before the oldest bucket's last copy are thrown away."""

    def __init__(self, held, partition):
        self.held, self.partition = held, partition
        self.pieces, self.rolled, self.next = [], [0] * BUCKETS, 0
        held.watch(partition)

    def copy(self):
        copied = self.held.changes(self.partition, self.next)
        for bucket in copied.buckets:
            self.rolled[bucket] = len(self.pieces)
        self.next = (copied.buckets[-1] + 1) % BUCKETS
        self.pieces += self.held.pieces(copied)

    def restored(self, into):
        for piece in self.pieces[min(self.rolled) :]:
            into.put(into.opened(self.partition, piece))
        return into


def told_of(held, partition):
    """What is exported of a partition, whatever its engine calls the operators by."""
    header, found, calls, pairs, tallies = told(held.export(partition))
    operators, now = dict(header["operators"]), header["watermark"]
    # What is over was given back here or there by a sweep; nothing asks for it.
    under_way = windows.ANSWERED | windows.ENDED
    calls = [
        call
        for call in calls
        if now - call[table.TOUCHED_MS] <= windows.KEEP_MS or call[table.HELD] >> 16 & under_way == windows.ANSWERED
    ]
    named = [
        (*pair, operators[operator])
        for *pair, operator in pairs
        if now - pair[table.TOUCHED_MS] <= windows.PAIR_KEEP_MS
    ]
    return {name: header[name] for name in ("partition", "watermark", "tallied")}, found, calls, named, tallies


@pytest.fixture(scope="module")
def calls():
    return batch(traffic(7))


@settings(max_examples=15)
@given(st.data())
def test_a_partition_put_together_from_pieces_goes_on_as_if_nothing_had_happened(calls, data):
    whole = calls
    rows = range(len(whole.values))
    cuts = sorted(data.draw(st.sets(st.integers(1, len(rows) - 1), min_size=2, max_size=12)))
    held, other = engine(clamp=False), engine(clamp=False)
    chains = [Chain(held, partition) for partition in range(PARTITIONS)]
    before = 0
    for at in cuts:
        held.process(part(whole, range(before, at)), NOW)
        before = at
        for chain in data.draw(st.permutations(chains)):
            if data.draw(st.booleans()) or at == cuts[-1]:
                chain.copy()
    for chain in chains:
        chain.restored(other)
        assert told_of(other, chain.partition) == told_of(held, chain.partition)
    rest = part(whole, range(before, len(rows)))
    ours, theirs = other.process(rest, NOW), held.process(rest, NOW)
    assert ours.decisions == theirs.decisions
    assert ours.counts == theirs.counts


def test_pieces_of_a_cycle_are_enough_and_no_more_than_twice_what_is_held(calls):
    held = engine(clamp=False)
    chain = Chain(held, 1)
    copies = 3 * BUCKETS
    for number in range(copies):
        step = range(number * len(calls.values) // copies, (number + 1) * len(calls.values) // copies)
        held.process(part(calls, step), NOW)
        chain.copy()
    assert min(chain.rolled) > BUCKETS
    assert told_of(chain.restored(engine(clamp=False)), 1) == told_of(held, 1)


def test_a_copy_too_large_for_a_message_is_cut_into_pieces_that_say_the_same():
    held, other = engine(), engine()
    judge(held, [setup(f"{n}", f"+7701{n:07d}", f"+77272{n % 97:06d}") for n in range(12_000)])
    judge(held, [setup(f"busy{n}", "+77010000000", f"+77273{n:06d}") for n in range(100)])
    for partition in range(PARTITIONS):
        packed = list(held.pieces(held.whole(partition)))
        assert len(packed) > 1
        for piece in packed:
            assert len(piece) < 4 * 1024 * 1024
            other.put(other.opened(partition, piece))
        assert told_of(other, partition) == told_of(held, partition)


def test_what_changed_between_two_copies_is_cut_into_many_small_pieces():
    held = engine()
    held.watch(1)
    judge(held, [setup(f"{n}", f"+7701{n:07d}", f"+77272{n % 97:06d}") for n in range(2_000 * PARTITIONS)])
    packed = list(held.pieces(held.changes(1, 0)))
    assert len(packed) >= 6
    assert max(map(len, packed)) < 256 * 1024


def test_what_a_later_piece_says_of_a_caller_replaces_what_an_earlier_one_said():
    held, other = engine(), engine()
    partition = batch([setup("x", "+77011234567", "+77272345678")]).partitions[0]
    held.watch(partition)
    for number in range(60):  # enough for a wide sketch
        judge(held, [setup(f"{number}", "+77011234567", f"+7727234{number:04d}")])
    old = list(held.pieces(held.changes(partition, 0)))
    for number in range(60, 120):
        judge(held, [setup(f"{number}", "+77011234567", f"+7727234{number:04d}")])
    new = list(held.pieces(held.changes(partition, 0)))
    for piece in old + new:
        other.put(other.opened(partition, piece))
    assert told_of(other, partition) == told_of(held, partition)
    assert other.callers_held == held.callers_held


def test_what_is_judged_again_says_nothing_new_whatever_changed_meanwhile_and_is_counted_as_it_was_said():
    calls = [setup(f"{number}", "+77011234567", f"+7727234{number:04d}", NOW + number) for number in range(20)]
    calls.append(calls[3])  # a retry
    records = batch(calls)
    first = engine()
    first.apply(
        "lists", "k", orjson.dumps({"list": "block", "match": "exact", "number": "+77011234567", "side": "caller"})
    )
    said = first.process(records, NOW).decisions
    again = engine()  # the list is gone: judged anew, they would be allowed
    for row, _, value in said:
        again.said_before(records.partitions[row], records.offsets[row], decode_decision(value))
    outcomes = again.process(records, NOW)
    assert (outcomes.decisions, outcomes.said_before, outcomes.actions["block"]) == ([], 21, 21)
    assert [orjson.loads(value)["decision"]["action"] for _, _, value in outcomes.evidence] == ["block"] * 20
    partition = records.partitions[0]
    assert told(again.export(partition))[1:] == told(first.export(partition))[1:]
    retry = again.process(batch(calls)._replace(offsets=[offset + 100 for offset in records.offsets]), NOW)
    same = [{**orjson.loads(value), "decided_at": 0} for _, _, value in retry.decisions]
    assert same == [{**orjson.loads(value), "decided_at": 0} for _, _, value in said]


def test_what_changed_is_copied_whole_where_it_was_too_much_to_note(calls):
    held, other = engine(clamp=False), engine(clamp=False)
    held._journal = Journal(most=100)
    held.watch(1)
    held.process(calls, NOW)
    copied = held.changes(1, 0)
    assert len(copied.buckets) == BUCKETS
    for piece in held.pieces(copied):
        other.put(other.opened(1, piece))
    assert told_of(other, 1) == told_of(held, 1)


@pytest.mark.parametrize("field", ["call_id", "operator"])
def test_what_somebody_said_of_another_call_stands_for_nothing(field):
    records = batch([setup("x", "+77011234567", "+77272345678")])
    ((_, _, value),) = engine().process(records, NOW).decisions
    forged = decode_decision(orjson.dumps(orjson.loads(value) | {"action": "block", field: "another"}))
    held = engine()
    held.said_before(records.partitions[0], records.offsets[0], forged)
    ((_, _, said),) = held.process(records, NOW).decisions
    assert said == value


def test_what_somebody_said_of_another_broken_set_up_stands_for_nothing():
    records = batch([setup("x", "+77011234567", "+77272345678") | {"ingress": "sideways"}])
    ((_, _, value),) = engine().process(records, NOW).decisions
    held = engine()
    held.said_before(
        records.partitions[0],
        records.offsets[0],
        decode_decision(orjson.dumps(orjson.loads(value) | {"call_id": "another"})),
    )
    assert len(held.process(records, NOW).decisions) == 1


@pytest.mark.parametrize(
    "odd", [{"policy": "p" * 400, "model": "m" * 400}, {"policy": "", "model": ""}, {"sip_reason": "r" * 60_000}]
)
def test_whatever_was_said_of_a_call_its_partition_can_be_put_away_and_read_back(odd):
    records = batch([setup("x", "+77011234567", "+77272345678")])
    ((_, _, value),) = engine().process(records, NOW).decisions
    held, other = engine(), engine()
    partition = records.partitions[0]
    held.said_before(partition, records.offsets[0], decode_decision(orjson.dumps(orjson.loads(value) | odd)))
    assert held.process(records, NOW).said_before == 1
    other.import_state(partition, held.export(partition))
    assert other.callers_held == 1


def test_a_broken_set_up_that_was_answered_is_not_answered_again():
    broken = setup("x", "+77011234567", "+77272345678") | {"ingress": "sideways"}
    records = batch([broken])
    first, again = engine(), engine()
    ((row, _, value),) = first.process(records, NOW).decisions
    again.said_before(records.partitions[row], records.offsets[row], decode_decision(value))
    outcomes = again.process(records, NOW)
    assert (outcomes.decisions, len(outcomes.rejected)) == ([], 1)
    assert len(again.process(records, NOW).decisions) == 1


def test_what_was_said_is_forgotten_with_its_partition():
    records = batch([setup("x", "+77011234567", "+77272345678")])
    held = engine()
    value = engine().process(records, NOW).decisions[0][2]
    held.said_before(records.partitions[0], records.offsets[0], decode_decision(value))
    held.drop(records.partitions[0])
    assert len(held.process(records, NOW).decisions) == 1
