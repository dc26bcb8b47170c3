"""A partition's state as bytes: what is refused and why, what a hand-over between different workers keeps, and the fuzz."""

import hmac
import os
import subprocess
import sys

import numpy as np
import pytest

from streamer.engine import Engine
from streamer.errors import StateError
from streamer.reasons import CODING, REASONS, Coding
from streamer.versions import STATE_LAYOUT
from streamer.windows import calls, slots, table
from tests.fuzzing.state import SECRET, body_of, grown, held_by, in_order, key_of, opened, seal, shapes, told
from tests.test_engine import NOW, PARTITIONS, attempts, batch, engine, judge, setup, traffic, windows

CALLER = "+77011234567"
CALLEE = "+77272345678"
HERE = batch([setup("x", CALLER, CALLEE)]).partitions[0]


@pytest.fixture(scope="module")
def source():
    return grown()


@pytest.fixture(scope="module")
def packed(source):
    return source.export(HERE)


def refused(packed, text, held=None, partition=HERE):
    """The import is refused with a text that says all that an operator needs, and changes nothing."""
    held = held or grown()
    before = held_by(held)
    with pytest.raises(StateError, match=text) as found:
        held.import_state(partition, packed)
    assert str(found.value).startswith(f"partition {partition}: ")
    assert held_by(held) == before


def cell(column, row, value, word=None):
    """A change of one number of a column."""

    def change(columns):
        columns[column][row if word is None else (row, word)] = value

    return change


def doubled(*names):
    def change(columns):
        for name in names:
            columns[name][1] = columns[name][0]

    return change


def anew(packed, change, header=None):
    found, columns = opened(packed)
    change(columns)
    return seal(body_of(packed, shapes(found | (header or {}), columns), columns))


def test_a_partition_that_comes_again_and_again_takes_the_room_that_it_had():
    held, lines, used = engine(), [f"+7701{number:07d}" for number in range(400)], []
    for turn in range(12):
        at = NOW + 60_000 * turn
        called = [setup(f"{turn}-{n}", line, f"+7727{2_000_000 + n:07d}", at) for n, line in enumerate(lines)]
        held.process(batch(called), at)
        used.append((held.callers_held, int(held.state.callers.meta[slots.USED])))
        kept = {partition: held.export(partition) for partition in range(PARTITIONS // 2)}
        for partition in kept:
            held.drop(partition)
        assert held.callers_held < len(lines)
        for partition, packed in kept.items():
            held.adopt(partition)
            held.put(held.opened(partition, packed))
    assert set(used) == {(len(lines), len(lines))}


def test_state_changed_by_nothing_is_taken_in_as_it_is(packed):
    held = grown()
    held.import_state(HERE, anew(packed, lambda columns: None))
    assert told(held.export(HERE)) == told(packed)


@pytest.mark.parametrize(("change", "text"), [
    (cell("callers.partition", 0, HERE + 1), "callers.partition of row 0"), (cell("callers.origin", 1, 4), "callers.origin of row 1 is 4"),
    (cell("callers.clock_ms", 0, -1), "callers.clock_ms of row 0 is -1"), (cell("callers.clock_ms", 0, 2**62), "callers.clock_ms"),
    (cell("callers.first_s", 0, 2**32 - 1), "callers.first_s of row 0 lies after"),
    (cell("callers.gap_mean", 0, np.inf), "callers.gap_mean of row 0 is neither"), (cell("callers.gap_mean", 0, -1), "callers.gap_mean"),
    (cell("callers.gap_jitter", slice(None), np.nan), "callers.gap_jitter of row"),
    (cell("callers.wide_of", 0, 77), "callers.wide_of does not refer"), (cell("callers.wide_of", slice(None), -1), "callers.wide_of"),
    (doubled("callers.key", "callers.origin"), "callers.key .* is there twice"),
    (cell("calls", 0, table.held(HERE + 1, 1), table.HELD), "calls.held, partition of row 0"),
    (cell("calls", 0, 0, table.HELD), "calls.held, partition of row 0 is -1"),
    (cell("calls", 0, table.held(HERE, 32), table.HELD), "calls.held of row 0 has flags"),
    (cell("calls", 2, -5, table.TOUCHED_MS), "calls.touched_ms of row 2 is -5"), (cell("calls", 0, 2**63 - 1, calls.SETUP_MS), "calls.setup_ms"),
    (cell("calls", 0, 5, calls.SAID), "calls.said, action of row 0 is 5, not within 0 to 4"),
    (cell("calls", 0, 5 << 8, calls.SAID), "shadow action of row 0 is 5"), (cell("calls", 0, 86_401 << 16, calls.SAID), "cache seconds"),
    (cell("calls", 0, -1, calls.SAID), "calls.said"), (cell("calls", 0, 1_000_001, calls.SCORE), "calls.score of row 0"),
    (cell("calls", 0, 1 << CODING.bits, calls.REASONS), "calls.reasons of row 0"), (cell("calls", 0, 9 << CODING.fields["number_invalid"].at, calls.REASONS), "calls.reasons, number_invalid of row 0 is 9, not within 0 to 8"), (cell("calls", 0, -1, calls.REASONS), "calls.reasons"),
    (cell("calls", 0, 9 << 32, calls.VERSIONS), "calls.versions and the table of versions"), (doubled("calls"), "calls.hash .* twice"),
    (cell("pairs", 0, table.held(HERE, 1), table.HELD), "pairs.held of row 0 has flags"), (cell("pairs", 0, table.held(99, 0), table.HELD), "pairs.held, part"),
    (cell("pairs", 0, 2**50, table.TOUCHED_MS), "pairs.touched_ms of row 0"), (cell("pairs", 0, 4_096, calls.OPERATOR), "pairs.operator of row 0 is 4096"),
    (cell("pairs", 0, 77, calls.OPERATOR), "table of operators"), (doubled("pairs"), "pairs.hash .* twice"),
    (lambda columns: columns.pop("pairs"), "the columns are callers.key"), (lambda columns: columns.update(calls=columns["calls"].astype("<i4")), "column calls is <i4"),
    (lambda columns: columns.update(calls=columns["calls"][:, :4]), r"it must be <i8 \[rows, \*\[8\]\]"),
    (lambda columns: columns.update({"callers.run": columns["callers.run"][1:]}), "column callers.run has .* rows, column callers.key"),
])  # fmt: skip
def test_unsound_columns_are_refused_by_name_although_they_are_sealed(packed, change, text):
    refused(anew(packed, change), text)


@pytest.mark.parametrize(("header", "text"), [
    ({"watermark": 2**62}, "cannot be read: .*watermark"), ({"watermark": -1}, "callers.clock_ms"), ({"watermark": None}, "cannot be read"),
    ({"versions": [[0, {"version": ""}, None]]}, "cannot be read"), ({"versions": []}, "table of versions"),
    ({"operators": [[0, "op-a"], [0, "op-b"]]}, "operators names one of them twice"), ({"reasons": []}, "calls.reasons of row"),
    ({"reasons": [f"new_{name}" for name in REASONS]}, "calls.reasons name 'new_.*which this version does not know"),
    ({"reasons": [f"source_{n}.cause" for n in range(64)]}, "the reasons need 64 bits, a word has 63"),
    ({"partition": (HERE + 1) % PARTITIONS}, f"this is the state of partition {(HERE + 1) % PARTITIONS}"), ({"more": 1}, "cannot be read"),
    *(({"trunks": [[row, "op-a", "t"]]}, "rows that are not between 1 and 8191") for row in (0, 8_192, -1)),
    ({"terms": {}}, "exported with STREAMER_HOME = None, this worker has KZ"),
])  # fmt: skip
def test_unsound_headers_are_refused_although_they_are_sealed(packed, header, text):
    refused(anew(packed, lambda columns: None, header), text)


def test_shapes_that_the_bytes_do_not_have_are_refused(packed):
    header, columns = opened(packed)
    for rows in (0, 10**6, 2**40):
        listed = [[n, d, [rows, *s[1:]] if n == "callers.wide" else s] for n, d, s in header["columns"]]
        refused(seal(body_of(packed, header | {"columns": listed}, columns)), "bytes, where the header speaks of")


def test_what_is_not_sealed_with_the_secret_is_refused(packed):
    body = packed[:-32]
    refused(body + hmac.digest(key_of(b"guessed"), body, "sha256"), "damaged or forged")
    refused(packed[:-1], "damaged or forged")
    half = len(packed) // 2
    refused(packed[:half] + bytes([packed[half] ^ 1]) + packed[half + 1 :], "damaged or forged")
    refused(b"", "no exported state")


@pytest.mark.parametrize("layout", [3, STATE_LAYOUT + 1])
def test_other_layouts_are_refused_by_both_numbers(packed, layout):
    found = packed[:4] + layout.to_bytes(2, "little") + packed[6:]
    refused(found, f"state of layout {layout}, this version reads layouts 8 and {STATE_LAYOUT}; restore it with")


def test_state_of_a_worker_with_other_settings_is_refused_by_the_setting(packed):
    other = {"partitions": PARTITIONS, "max_callers": 1_000, "secret": SECRET}
    refused(packed, "another secret; set STREAMER_SECRET", Engine(**other | {"secret": b"other"}))
    refused(packed, "STREAMER_HOME = KZ, this worker has DE", Engine(**other | {"home": "DE"}))
    refused(packed, "STREAMER_PARTITIONS = 4, this worker has 8", Engine(**other | {"partitions": 8}))
    for partition in (-1, PARTITIONS):
        refused(packed, "there are 4 partitions", partition=partition)


def test_operators_are_known_by_name_after_a_hand_over():
    """Rows of operators are a worker's own: who reported a call must not become another by being imported."""
    first, second = engine(), engine()
    judge(first, [{**setup("0", "+77019999999", CALLEE), "operator": "op-z"}])
    judge(first, [setup("1", CALLER, CALLEE)])
    judge(second, [{**setup("0", "+77019999999", CALLEE), "operator": name} for name in ("op-c", "op-b", "op-d")])
    second.import_state(HERE, first.export(HERE))
    judge(second, [{**setup("x", CALLER, CALLEE, NOW + 1_000), "operator": "op-b"}])
    assert attempts(second, CALLER, NOW + 2_000)["attempts_1h"] == 2
    second.import_state(HERE, first.export(HERE))
    judge(second, [setup("2", CALLER, CALLEE, NOW + 3_000)])
    assert attempts(second, CALLER, NOW + 4_000)["attempts_1h"] == 3


def test_reasons_are_known_by_name_when_the_exporter_numbers_them_otherwise():
    ours = engine()
    said = judge(ours, [setup("1", "+77030000001", CALLEE, ingress="international")])
    assert said[0]["reasons"] == ["cli_spoofing.domestic_from_abroad_unverified", "number_invalid.not_in_plan"]
    partition = batch([setup("1", "+77030000001", CALLEE)]).partitions[0]
    packed = ours.export(partition)
    header, columns = opened(packed)
    header["reasons"] = ["gone.long_ago", *reversed(REASONS)]
    theirs, words = Coding(header["reasons"]), columns["calls"][:, calls.REASONS].tolist()
    columns["calls"][:, calls.REASONS] = [theirs.word_of(CODING.names_of(word)) for word in words]
    held = engine()
    held.import_state(partition, seal(body_of(packed, header, columns), b"streamer"))
    assert judge(held, [setup("1", "+77030000001", CALLEE, ingress="international")]) == said
    assert held.export(partition) == packed


def test_a_store_too_small_for_what_comes_keeps_the_latest_and_stays_in_order(source):
    held = Engine(partitions=PARTITIONS, max_callers=16, secret=SECRET, clamp=False)
    for partition in range(PARTITIONS):
        held.import_state(partition, source.export(partition))
        in_order(held.state)
    assert (held.callers_held, held.evicted) == (16, source.callers_held - 16)
    assert held.evicted > 0


def test_wide_sketches_are_handed_over_and_given_back(source, packed):
    held = Engine(partitions=PARTITIONS, max_callers=1_000, secret=SECRET, clamp=False)
    for _ in range(3):
        for partition in range(PARTITIONS):
            held.import_state(partition, source.export(partition))
    in_order(held.state)
    assert [windows(held, p) for p in range(PARTITIONS)] == [windows(source, p) for p in range(PARTITIONS)]
    assert held.state.callers.meta[slots.WIDE_USED] == source.state.callers.meta[slots.WIDE_USED] > 0
    more = batch(traffic(5, 60))
    assert held.process(more, NOW).decisions == grown().process(more, NOW).decisions


def fuzzed(count, **environment):
    done = subprocess.run(
        [sys.executable, "-X", "faulthandler", "-W", "error", "-m", "tests.fuzzing.state", str(count)],
        capture_output=True, text=True, env=os.environ | environment, timeout=600,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    refused_of, taken = int(done.stdout.split()[0]), int(done.stdout.split()[2])
    assert refused_of + taken == count
    assert min(refused_of, taken) > count // 10


def test_damaged_state_is_refused_or_taken_in_and_judged_on():
    fuzzed(2_000)


@pytest.mark.anew
def test_damaged_state_makes_no_loop_look_past_an_array():
    fuzzed(2_000, NUMBA_BOUNDSCHECK="1", NUMBA_CACHE_DIR=f"{os.environ['NUMBA_CACHE_DIR']}-bounds")
