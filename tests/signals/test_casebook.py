"""Cases are opened once, updated when something material changed, and the same whatever restarts come in between."""

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamer.calls import codec
from streamer.calls.cases import MEASURES
from streamer.calls.decisions import CasePolicy, Policy
from streamer.calls.events import LATEST_MS
from streamer.calls.signals import SwappedSim
from streamer.grounds import RULES, judged
from streamer.signals.casebook import DAY_MS, MOST_CALLED, MOST_CALLS, MOST_OPERATORS, SILENCE_MS, Casebook, merged
from streamer.signals.hot import MOST_LINES, Hot, swapped

AT = 1_763_953_123_123
BOX = {"sims": 14, "calls": 118, "victims": 112, "incoming": 0}
UNSURE = {name: value for name, value in BOX.items() if name != "incoming"}


def heard(book, at=AT, values=BOX, subject="35", calls=("c1",), operators=("op-a",), kind="imei"):
    return book.heed(Hot(kind, subject, at, values, calls, operators))


def opened(**more):
    book = Casebook()
    (case,) = heard(book, **more)
    return book, case


def changed(case, status, at=AT + 60_000):
    """As a person does it at the desk."""
    return msgspec.structs.replace(
        case, status=status, by="analyst-7", why="taxi gateway", changed_at=at, revision=case.revision + 1
    )


def test_a_hot_subject_opens_a_case_once_and_what_is_not_material_says_nothing_more():
    book, case = opened()
    assert (case.case, case.kind, case.subject, case.measure) == ("imei/35/2025-11-24", "sim_box", "imei/35", "bar_sim")
    assert (case.status, case.calls, case.victims, case.evidence, case.operators) == (
        "open",
        118,
        112,
        ["c1"],
        ["op-a"],
    )
    assert (case.opened_at, case.first_at, case.last_at) == (AT, AT, AT)
    assert {ground.what: ground.observed for ground in case.grounds}["victims/calls"] == pytest.approx(112 / 118)
    assert heard(book, AT + 1_000, BOX | {"calls": 235, "victims": 230}, calls=("c2",)) == []
    assert heard(book, subject="36")[0].case == "imei/36/2025-11-24"
    assert codec.decode_case(codec.encode(case)) == case


@pytest.mark.parametrize(("more", "member", "value"), [
    ({"values": BOX | {"calls": 236, "victims": 230}}, "calls", 236),
    ({"operators": ("op-b", "op-a")}, "operators", ["op-a", "op-b"]),
    ({"at": AT + DAY_MS}, "last_at", AT + DAY_MS),
])  # fmt: skip
def test_what_is_material_updates_the_same_case(more, member, value):
    book, case = opened()
    (after,) = heard(book, **more)
    assert (after.case, after.opened_at, after.status, after.revision) == (case.case, AT, "open", 1)
    assert getattr(after, member) == value


def test_a_stronger_measure_updates_a_case_and_a_weaker_one_takes_nothing_back():
    book, case = opened(values=UNSURE)
    assert case.measure == "watch"
    (after,) = heard(book, AT + 1)
    assert (after.case, after.measure, len(after.grounds)) == (case.case, "bar_sim", 4)
    (after,) = heard(book, AT + DAY_MS + 1, UNSURE)
    assert (after.measure, len(after.grounds)) == ("bar_sim", 4)


def test_calls_and_operators_of_a_case_are_bounded_whatever_comes():
    longest = "\0" * 255
    book, case = opened(subject=longest * 3, calls=[f"{n}".rjust(255, "\0") for n in range(99)],
                        operators=[f"{n}".rjust(64, "\0") for n in range(99)])  # fmt: skip
    assert (len(case.evidence), len(case.operators)) == (MOST_CALLS, MOST_OPERATORS)
    said = codec.encode(
        msgspec.structs.replace(
            case,
            called=["+" + "7" * 15] * MOST_CALLED,
            lines=["+" + "7" * 15] * MOST_LINES,
            why="\0" * 1024,
            by=longest,
            policy="\0" * 128,
        )
    )
    assert len(said) <= codec.MAX_BYTES
    assert codec.decode_case(said).subject == f"imei/{longest}"
    assert heard(book, subject=longest * 2, operators=["op-z"]) == []


def test_long_silence_closes_a_case_and_the_next_signal_opens_another():
    book, case = opened()
    assert book.expire(AT + SILENCE_MS) == []
    (closed,) = book.expire(AT + SILENCE_MS + 1)
    assert (closed.case, closed.status, closed.by) == (case.case, "closed", "")
    (again,) = heard(book, AT + SILENCE_MS + 1)
    assert (again.case, again.status) == ("imei/35/2025-12-01", "open")
    assert book.expire(AT + SILENCE_MS + 2) == []

    book, case = opened()
    closed, again = heard(book, AT + SILENCE_MS + 1)  # nobody asked the clock in between
    assert ([closed.case, closed.status], again.case) == ([case.case, "closed"], "imei/35/2025-12-01")
    assert book.expire(AT + 4 * SILENCE_MS)[0].case == again.case
    assert len(book) == 1  # closed, and known by its number


def test_signals_of_an_older_case_that_come_again_do_not_count_in_the_present_one():
    book, _ = opened(values=BOX | {"calls": 5_000, "victims": 4_900})
    assert len(heard(book, AT + 2 * SILENCE_MS)) == 2
    assert heard(book, AT, BOX | {"calls": 5_000, "victims": 4_900}) == []


def test_what_was_closed_for_its_silence_is_open_again_when_a_signal_was_only_late():
    book, case = opened()
    book.expire(AT + SILENCE_MS + 1)
    (again,) = heard(book, AT + 2 * DAY_MS)
    assert (again.case, again.status, again.why) == (case.case, "open", "heard of again")


def test_what_a_person_closed_stays_closed_until_more_is_due_or_it_was_silent():
    book, case = opened(values=UNSURE)
    book.restore(changed(case, "closed"))
    (still,) = heard(book, AT + DAY_MS, UNSURE | {"calls": 999, "victims": 990}, operators=["op-b"])
    assert (still.status, still.by, still.why, still.calls) == ("closed", "analyst-7", "taxi gateway", 999)
    (stronger,) = heard(book, AT + DAY_MS + 1)
    assert (stronger.case, stronger.status, stronger.by) == (case.case, "open", "")

    book, case = opened()
    book.restore(changed(case, "closed"))
    (other,) = heard(book, AT + 60_000 + SILENCE_MS + 1)
    assert other.case != case.case


def test_what_a_person_reopened_is_not_closed_at_once_for_its_silence():
    book, _ = opened()
    (closed,) = book.expire(AT + SILENCE_MS + 1)
    late = AT + 3 * SILENCE_MS
    book.restore(changed(closed, "open", late))
    assert book.expire(late + SILENCE_MS) == []
    assert book.expire(late + SILENCE_MS + 1)[0].status == "closed"


def test_an_update_by_a_book_that_does_not_know_of_a_change_does_not_undo_it():
    book, case = opened()
    by_hand = changed(case, "closed")
    (update,) = heard(book, AT + DAY_MS)  # before the book has read the change
    for order in ((by_hand, update), (update, by_hand)):
        held = case
        for record in order:
            held = merged(held, record)
        assert (held.status, held.by, held.last_at, held.changed_at) == (
            "closed",
            "analyst-7",
            AT + DAY_MS,
            AT + 60_000,
        )
    book.restore(by_hand)
    (still,) = heard(book, AT + 2 * DAY_MS)
    assert (still.status, still.by) == ("closed", "analyst-7")
    assert merged(held, still) == still


class Readers:
    """A full book of cases, and what readers of the topic know of them; the book reads back what it publishes."""

    def __init__(self, most):
        self.book, self.log, self.shown = Casebook(most=most), [], {}

    def heed(self, subject, at, values=BOX):
        said = heard(self.book, at, values, subject)
        for case in said:
            self.log.append(case)
            self.shown[case.subject] = merged(self.shown.get(case.subject), case)
            self.book.restore(codec.decode_case(codec.encode(case)))
        assert self.open() == {case.subject for case in self.book._held.values() if case.status == "open"}
        return [(case.subject, case.status) for case in said]

    def open(self):
        return {case.subject for case in self.shown.values() if case.status == "open"}


def test_a_full_book_closes_what_was_silent_longest_and_stays_full():
    seen = Readers(most=3)
    for number in range(20):
        seen.heed(f"{number}", AT + number * DAY_MS)
        assert len(seen.open()) <= 3
        assert len(seen.book) <= 6
    assert [case.subject for case in seen.log if case.status == "open"] == [f"imei/{number}" for number in range(20)]
    closed = [case.subject for case in seen.log if case.status == "closed"]
    assert closed == [f"imei/{number}" for number in range(17)]


def test_a_case_that_made_room_is_open_again_for_readers_too_when_its_subject_is_heard_of_on_the_same_day():
    seen = Readers(most=2)
    for subject in ("1", "2"):
        seen.heed(subject, AT, UNSURE)
    assert seen.heed("3", AT + 1) == [("imei/1", "closed"), ("imei/3", "open")]
    stronger = seen.heed("1", AT + 2)
    assert stronger == [("imei/2", "closed"), ("imei/1", "open")]
    assert seen.shown["imei/1"].case == "imei/1/2025-11-24"
    assert (seen.shown["imei/1"].status, seen.shown["imei/1"].measure) == ("open", "bar_sim")


def test_a_full_book_opens_nothing_instead_of_what_was_heard_of_within_a_day_but_for_a_stronger_measure():
    seen = Readers(most=4)
    for turn in range(50):  # six subjects that go on all the while, and room for four
        for subject in range(6):
            values = {name: value * (1 + turn / 100) for name, value in UNSURE.items()}
            seen.heed(f"{subject}", AT + (6 * turn + subject) * 60_000, values)
    assert [case.case for case in seen.log] == [f"imei/{subject}/2025-11-24" for subject in range(4)]
    assert seen.book.refused == 2 * 50
    late = AT + 300 * 60_000
    assert seen.heed("5", late) == [("imei/0", "closed"), ("imei/5", "open")]  # its measure is stronger
    assert seen.heed("0", late + 1, UNSURE) == []
    for subject in ("1", "2", "3"):
        assert seen.heed(f"bar-{subject}", late) == [(f"imei/{subject}", "closed"), (f"imei/bar-{subject}", "open")]
    assert seen.heed("bar-4", late + 1) == []  # none is weaker, none silent
    assert seen.heed("7", late + 3 * DAY_MS, UNSURE) == []  # none is as weak
    assert seen.heed("bar-4", late + 3 * DAY_MS) == [("imei/5", "closed"), ("imei/bar-4", "open")]


def test_a_book_in_which_people_opened_more_than_it_holds_comes_to_hold_no_more():
    seen = Readers(most=3)
    for number in range(9):
        seen.heed(f"{number}", AT + number, UNSURE)
    assert len(seen.open()) == 3
    _, case = opened(values=UNSURE)
    for number in range(9):
        more = msgspec.structs.replace(case, subject=f"imei/{number}", case=f"imei/{number}/2025-11-24", revision=9)
        seen.shown[more.subject] = more
        seen.book.restore(more)
    for number in range(10):
        seen.heed(f"bar-{number}", AT + number)
        assert len(seen.open()) < 9 - min(number, 3)
    for number in range(3):
        seen.heed(f"late-{number}", AT + 3 * DAY_MS)
    assert len(seen.open()) == 3


def test_a_book_that_is_read_back_is_bounded_and_keeps_what_is_open_and_what_was_heard_of_last():
    _, case = opened()
    book = Casebook(most=10)
    for number in range(100):
        status = "open" if number < 5 else "closed"
        changes = {"subject": f"imei/{number}", "case": f"imei/{number}/x", "status": status, "last_at": AT + number}
        book.restore(msgspec.structs.replace(case, **changes))
        assert len(book) <= 20
    assert {f"imei/{number}" for number in (*range(5), *range(95, 100))} <= book._held.keys()
    for number in range(5, 100):
        subject = f"open/{number}"
        book.restore(msgspec.structs.replace(case, subject=subject, case=f"{subject}/x"))
    assert [case.subject for case in book._held.values() if case.status == "open"] == [
        *(f"imei/{number}" for number in range(5)), *(f"open/{number}" for number in range(5, 100)),
    ]  # fmt: skip


@pytest.mark.parametrize("values", [{}, {"sims": float("nan"), "calls": 100}, {"sims": 4} | {k: v for k, v in BOX.items() if k != "sims"},
                                    BOX | {"victims": 50}, {"calls": 0, "sims": 9, "victims": 0}])  # fmt: skip
def test_what_is_below_a_bound_or_not_counted_opens_nothing(values):
    book = Casebook()
    assert heard(book, values=values) == heard(book, subject="") == heard(book, LATEST_MS + 1) == []
    assert len(book) == 0


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: f"{rule.subject}-{rule.measure}-{rule.fraud}")
def test_each_rule_holds_at_its_bounds_and_not_beyond_any_of_them(rule):
    def at_bounds(off=None):
        """Every figure just within its bound, but for one that is just beyond."""
        values = {}
        for which, demand in enumerate(sorted(rule.demands, key=lambda demand: demand.over is not None)):
            out = 1 if demand.least is None else -1
            observed = (demand.most if demand.least is None else demand.least) * (1 + out * (0.01 if which == off else -1e-9))  # fmt: skip
            if demand.over is None:
                values[demand.what] = observed
            elif demand.what in values:
                values[demand.over] = values[demand.what] / observed
            else:
                values[demand.what] = observed * values.setdefault(demand.over, 1_000)
        return values

    found = judged(rule.subject, at_bounds())
    assert found[0] is rule
    assert [ground.observed for ground in found[1]] == pytest.approx(
        [demand.least if demand.most is None else demand.most for demand in rule.demands]
    )
    for off in range(len(rule.demands)):
        beyond = judged(rule.subject, at_bounds(off))
        assert beyond is None or beyond[0].measure != rule.measure
    assert rule.source


def test_of_each_kind_of_subject_the_strongest_measure_is_asked_for_first():
    for kind in {rule.subject for rule in RULES}:
        strengths = [MEASURES.index(rule.measure) for rule in RULES if rule.subject == kind]
        assert strengths == sorted(strengths, reverse=True)


def test_a_case_names_the_policy_whose_bounds_it_was_opened_by_and_goes_by_a_new_one_from_then_on():
    book, case = opened()
    assert case.policy == "default"
    own = {"imei_sim_box_bar_sim": CasePolicy(thresholds={"sims": 20}), "imei_sim_box_watch": CasePolicy(opens=False)}
    book.follow(Policy(version="2026-11-29.4", cases=own))
    assert heard(book, subject="36") == []
    (other,) = heard(book, subject="36", values=BOX | {"sims": 20})
    assert (other.measure, other.policy) == ("bar_sim", "2026-11-29.4")
    assert {ground.what: ground.least for ground in other.grounds}["sims"] == 20
    assert heard(book, AT + DAY_MS) == []  # what is a case already stays one, and is not heard of again
    (still,) = heard(book, AT + DAY_MS, BOX | {"sims": 21})
    assert (still.case, still.policy, still.grounds[0].least) == (case.case, "2026-11-29.4", 20)


def test_each_call_of_a_swapped_sim_to_a_bank_is_published_once_with_whom_it_called():
    book = Casebook()
    (case,) = book.heed(swapped(swap("+77010000001", AT, 1)))
    assert (case.case, case.kind, case.measure, case.calls) == (
        "sim/+77010000001/2025-11-24",
        "sim_swap",
        "alert_bank",
        1,
    )
    assert (case.called, case.evidence, case.operators) == (["+77272580000"], ["c1"], ["op-a"])
    assert book.heed(swapped(swap("+77010000001", AT, 1))) == []
    (case,) = book.heed(swapped(swap("+77010000001", AT + 1, 2, "7711")))
    assert (case.called, case.evidence, case.calls, case.revision) == (["+77272580000", "7711"], ["c1", "c2"], 2, 1)
    said = [
        case
        for number in range(3, 99)
        for case in book.heed(swapped(swap("+77010000001", AT + number, number, f"{number}")))
    ]
    assert [case.calls for case in said] == [*range(3, MOST_CALLS + 1)]
    assert len(said[-1].called) == MOST_CALLED


def test_a_swapped_sim_that_also_calls_as_a_box_does_is_told_to_the_bank():
    book = Casebook()
    (watched,) = heard(book, values=BOX, subject="+77010000001", kind="sim")
    (alert,) = book.heed(swapped(swap("+77010000001", AT + 1, 1)))
    assert (watched.measure, alert.measure, alert.kind, alert.case) == ("watch", "alert_bank", "sim_swap", watched.case)
    assert (alert.calls, alert.evidence[-1]) == (watched.calls, "c1")
    assert heard(book, AT + 2, values=BOX, subject="+77010000001", kind="sim") == []


signals = st.tuples(
    st.sampled_from(["35", "36"]), st.integers(0, 6 * DAY_MS),
    st.fixed_dictionaries({"sims": st.integers(3, 30), "calls": st.integers(40, 2_000), "spread": st.floats(0.8, 1)},
                          optional={"incoming": st.integers(0, 120)}),
    st.lists(st.sampled_from([f"c{n}" for n in range(50)]), max_size=5), st.lists(st.sampled_from(["op-a", "op-b", "op-c"]), max_size=3),
)  # fmt: skip
swaps = st.tuples(st.sampled_from(["+77010000001", "+77010000002"]), st.integers(0, 6 * DAY_MS), st.integers(0, 40))
clock = st.integers(0, 3 * DAY_MS) | st.just(8 * DAY_MS)
by_hand = st.tuples(st.integers(0, 5), st.sampled_from(["open", "closed"]))
steps = st.lists(st.tuples(clock, st.one_of(signals, signals, swaps, swaps, st.none(), by_hand)), max_size=60)


def swap(line, at, number, callee="+77272580000"):
    return SwappedSim(at=at, operator="op-a", line=line, callee=callee, call_id=f"c{number}", age_h=5.5)


class Topic:
    """`cases.v1`, and the people who change cases there."""

    def __init__(self):
        self.log, self.standing = [], {}

    def put(self, case):
        self.log.append(codec.encode(case))
        self.standing[case.case] = merged(self.standing.get(case.case), case)

    def restored(self):
        book = Casebook()
        for record in self.log:
            book.restore(codec.decode_case(record))
        return book


def take(book, topic, now, step):
    if step is None:
        said = book.expire(now)
    elif len(step) == 2:
        return change(book, topic, now, *step)
    elif len(step) == 3:
        subject, late, number = step
        said = book.heed(swapped(swap(subject, now - late, number)))
    else:
        subject, late, values, calls, operators = step
        values = values | {"victims": int(values["calls"] * values["spread"])}
        said = book.heed(Hot("imei", subject, now - late, values, calls, operators))
    for case in said:
        topic.put(case)
    return said


def change(book, topic, now, which, status):
    if topic.standing:
        case = list(topic.standing.values())[which % len(topic.standing)]
        topic.put(changed(case, status, max(now, (case.changed_at or 0) + 1)))
        book.restore(codec.decode_case(topic.log[-1]))
    return []


@settings(max_examples=300)
@given(steps=steps, cuts=st.sets(st.integers(0, 60), max_size=6), again=st.integers(0, 20))
def test_any_cutting_by_restarts_gives_the_same_cases_with_the_same_content(steps, cuts, again):
    """After a restart a book knows the topic alone, and hears what came last once more."""
    timed, now = [], AT
    for passed, step in steps:
        now += passed
        timed.append((now, step))
    book, undisturbed = Casebook(), Topic()
    for now, step in timed:
        take(book, undisturbed, now, step)
    book, cut = Casebook(), Topic()
    for row, (now, step) in enumerate(timed):
        if row in cuts:
            book = cut.restored()
            for then, before in timed[max(0, row - again) : row]:
                if before is None or len(before) != 2:  # what people change, they change once
                    assert take(book, cut, then, before) == []
        take(book, cut, now, step)
    assert cut.log == undisturbed.log
