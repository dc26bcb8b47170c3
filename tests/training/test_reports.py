"""Reports found by subject and time: against looking at every one of them."""

import sqlite3

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.calls.events import LATEST_MS
from streamer.models.labels import Claim
from streamer.training.reports import ORIGINS, TABLES, Reports, around, roundest, subject, subjects

times = st.one_of(st.integers(0, 40), st.integers(0, LATEST_MS), st.integers(LATEST_MS - 40, LATEST_MS))


@given(times, times, times)
def test_a_span_lies_where_a_time_in_it_looks(a, b, at):
    start, end = sorted((a, b))
    node = roundest(start, end)
    assert start <= node <= end
    if start <= at <= end:
        below, above = around(at)
        assert node in (below if node <= at else above)


CALLERS = st.sampled_from([None, "+77011234567", "+77015555555"])
claims = st.builds(
    lambda call, caller, callee, span, origins, fraud, sampled: Claim(
        call, caller, callee, *sorted(span), origins, fraud, sampled or call is not None or callee is None
    ),
    st.sampled_from([None, "a", "b"]),
    CALLERS,
    st.sampled_from([None, "+77272345678", ""]),
    st.tuples(times, times),
    st.sampled_from([ORIGINS, ORIGINS[::-1], ORIGINS[1:]]),
    st.booleans(),
    st.booleans(),
).filter(lambda claim: claim.call_id is not None or claim.caller is not None)
calls = st.tuples(
    st.sampled_from(["a", "b", "c"]), CALLERS.filter(bool), st.sampled_from(["+77272345678", ""]),
    st.sampled_from([(0, False), (0, True), (1, False)]), times,
)  # fmt: skip


class Plainly:
    """Every report in a list."""

    def __init__(self):
        self.said = []

    def wait(self, claim, said_at, until):
        self.said.append([claim, said_at, min(claim.to_ms, until), None])

    def settle(self, claim, origin, said_at, until):
        self.said.append([claim, said_at, min(claim.to_ms, until), origin])

    def of_call(self, call_id, caller, callee, origin, at, *, own_of_sample):
        labels = set()
        for entry in self.said:
            claim, _, end, met = entry
            names = zip((claim.call_id, claim.caller, claim.callee), (call_id, caller, callee), strict=True)
            fits = all(said is None or said == real for said, real in names)
            fits = fits and (claim.sampled or not own_of_sample)
            if fits and claim.from_ms <= at <= end and ORIGINS[origin] in claim.origins and met in {None, origin}:
                entry[3] = origin
                labels.add(claim.fraud)
        return labels


@given(st.lists(st.one_of(st.tuples(claims, st.sampled_from([None, 0, 1]), times), calls), max_size=40))
def test_as_if_every_report_were_looked_at(happened):
    db = sqlite3.connect(":memory:")
    db.executescript(TABLES)
    reports, plainly = Reports(db), Plainly()
    for number, event in enumerate(happened):
        if isinstance(event[0], Claim):
            claim, met, until = event
            for store in (reports, plainly):
                if met is None or ORIGINS[met] not in claim.origins:  # a report meets calls of its own classes alone
                    store.wait(claim, number, until)
                else:
                    store.settle(claim, met, number, until)
        else:
            call_id, caller, callee, (origin, own_of_sample), at = event
            named = subjects(call_id, caller, callee, own_of_sample=own_of_sample)
            found = reports.of_call(named, origin, at)
            assert len(found) == len(set(found))
            assert set(found) == plainly.of_call(call_id, caller, callee, origin, at, own_of_sample=own_of_sample)
    db.close()


@pytest.fixture
def reports():
    db = sqlite3.connect(":memory:")
    db.executescript(TABLES)
    yield Reports(db)
    db.close()


def rows(reports):
    return [reports._db.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in ("waiting", "settled")]


def claim(start, end, *, fraud=True):
    return Claim(None, "+77011234567", None, start, end, ORIGINS, fraud, sampled=True)


def test_what_is_said_again_takes_no_more_room(reports):
    for number in range(100):
        reports.wait(claim(5, 9), number, 1_000)
    assert rows(reports) == [1, 0]
    for number in range(100):
        reports.settle(claim(5 + number, 9 + number), 1, number, 1_000)
    assert rows(reports) == [1, 1]


def test_reports_end_when_they_are_told_to_and_are_dropped_after_it(reports):
    reports.wait(claim(5, 900), 5, 100)
    reports.settle(claim(5, 900, fraud=False), 1, 5, 50)
    reports.wait(claim(200, 900), 5, 100)
    assert rows(reports) == [1, 1], "what could never label anything is not kept"
    reports.forget_before(51)
    assert rows(reports) == [1, 0]
    reports.forget_before(101)
    assert rows(reports) == [0, 0]


def test_nothing_given_and_something_empty_given_are_not_the_same():
    assert subject("a", None, None) not in {subject("a", "", None), subject("a", None, "")}
