"""From what scorers count to cases: boxes of SIMs, campaigns of a trunk or a block, floods; and who is none of them."""

import msgspec
import pytest

from streamer.calls import codec
from streamer.calls.signals import AGAIN_MS, BusyLine
from streamer.signals.casebook import Casebook
from streamer.signals.hot import MOST_LINES, hot
from tests.signals.test_merger import NOW, call, merger, said, sums
from tests.signals.test_newcomers import OVER, OWN
from tests.signals.test_newcomers import line as new_line

MINUTE = 60_000


class Seen:
    """A merger, and a book that is told what it says; offsets and numbers of messages go on by themselves."""

    def __init__(self):
        self.merger, self.book, self.offset = merger(), Casebook(), 0

    def take(self, message):
        self.merger.take(self.offset, message)
        self.offset += 1
        return self.cases()

    def cases(self):
        told = [change.signal for change in self.merger.changes() if change.signal is not None]
        return [case for signal in told for one in hot(signal, self.merger.lines) for case in self.book.heed(one)]

    def called(self, line, at, count):
        """Set-ups to a line."""
        self.take(sums(0, at, [call(int(line[1:]), 0, 0, count)]))


def line(number, at, attempts, distinct=None, **more):
    own = {
        "operator": "op-a",
        "imei": "35",
        "cell": "ala-7",
        "holder": "h-1",
        "call_id": f"{number}-{attempts}",
        "answered": attempts // 2,
    }
    return BusyLine(at=at, line=f"+7701{number:07d}", attempts=attempts, distinct=attempts if distinct is None else distinct, **(own | more))  # fmt: skip


def boxed(seen, lines, back=0.0, **more):
    """So many lines of one device at work for three hours, each called `back` times for each of its calls."""
    said = []
    for step in range(20, 65, 5):
        at = NOW + (step - 20) * 4 * MINUTE
        for number in range(lines):
            told = line(number, at + number, step, **more)
            said += seen.take(told)
            seen.called(told.line, at + 1_000 + number * 10, round(5 * back))
    return said


def by_subject(cases):
    found = {}
    for case in cases:
        found.setdefault(case.subject, []).append(case)
    return found


def test_a_box_of_sims_that_are_not_called_back_is_to_be_barred_by_its_device_its_holder_and_each_sim_watched():
    found = by_subject(boxed(Seen(), 12))
    assert [case.measure for case in found["imei/35"]][-1] == "bar_sim"
    assert [case.measure for case in found["cell/ala-7"]][-1] == "bar_sim"
    assert [case.measure for case in found["holder/h-1"]] == ["watch", "bar_sim"]
    device = found["imei/35"][-1]
    assert (device.kind, device.operators, len({case.case for case in found["imei/35"]})) == ("sim_box", ["op-a"], 1)
    assert device.evidence[0] == "4-20"  # of the fifth line, when it was told of
    lines = [f"+7701{number:07d}" for number in range(12)]
    assert all(sorted(found[shared][-1].lines) == lines for shared in ("cell/ala-7", "holder/h-1"))
    assert set(device.lines) <= set(lines) and len(device.lines) >= 5
    sims = [cases for subject, cases in found.items() if subject.startswith("sim/")]
    assert len(sims) == 12
    assert all(case.lines == [] for cases in sims for case in cases)
    assert all(case.measure == "watch" and case.calls > 50 for cases in sims for case in cases)
    a_sim = min(case.calls for case in found["imei/35"] if case.measure == "bar_sim") / 12
    assert a_sim <= 60


def test_so_many_lines_that_share_a_holder_are_named_and_none_that_cannot_be_called():
    seen = Seen()
    for number in range(100):
        seen.merger.take(number, line(number, NOW + number, 60))
    odd = msgspec.structs.replace(line(0, NOW + 200, 60), line="x-1")
    found = by_subject(seen.take(odd))
    named = found["holder/h-1"][-1].lines
    assert (len(named), len(set(named))) == (MOST_LINES - 1, MOST_LINES - 1)
    assert named[0] == "+77010000099"
    for case in found["holder/h-1"]:
        assert codec.decode_case(codec.encode(case)) == case


@pytest.mark.parametrize(
    ("who", "lines", "more"),
    [
        ("a taxi gateway, which is called back", 12, {"back": 0.3, "holder": None}),
        ("a family's three telephones", 3, {}),
        ("a call centre, which calls the same customers again", 10, {"distinct": 17}),
        ("lines of which no device is known", 12, {"imei": None, "cell": None, "holder": None}),
    ],
)
def test_honest_lines_are_to_be_barred_never(who, lines, more):
    assert {case.subject for case in boxed(Seen(), lines, **more) if case.measure == "bar_sim"} == set(), who


def test_a_campaign_that_rotates_its_numbers_is_a_case_of_its_trunk_and_of_its_block():
    seen, said = Seen(), []
    for victim in range(4):
        for second in range(8):
            at = NOW + victim * 20_000 + second * 1_000
            said += seen.take(sums(0, at, [call(77272000000 + victim, 44740012, 1, 2)]))
    found = by_subject(said)
    assert [case.measure for case in found["trunk/op-a/igw-1"]][-1] == "notify_partner"
    (block,) = found["block/+44740012"][:1]
    assert (block.kind, block.measure, block.status) == ("number_rotation", "notify_partner", "open")
    assert found["trunk/op-a/igw-1"][0].operators == ["op-a"]


def test_a_trunk_that_carries_honest_calls_is_none():
    seen = Seen()
    for second in range(300):
        rows = [call(77272000000 + second * 7 + n, 77770000 + n % 900, 1, ANSWERED=1) for n in range(7)]
        assert seen.take(sums(0, NOW + second * 1_000, rows)) == []


def test_a_flood_on_a_number_is_a_case_once_it_is_known_what_is_usual():
    seen, said = Seen(), []
    for second in range(1_200):
        at = NOW + second * 1_000
        seen.take(sums(1, at, [call(77272999999, 0, 0, 1)]))
        if second >= 1_000:
            said += seen.take(sums(0, at, [call(77272345678, 44740012 + second, 0, 2)]))
    (case,) = by_subject(said)["callee/+77272345678"][:1]
    assert (case.kind, case.measure, case.victims) == ("tdos", "alert_bank", 1)
    assert set(by_subject(said)) == {"callee/+77272345678"}


def test_a_trunk_and_a_block_of_which_most_calls_are_suspect_are_cases_and_so_is_who_answered_them():
    rows = [call(77270000000 + number, 44740012, 1, SUSPECT=1) for number in range(120)]
    rows += [call(77271111111, 44740012, 1, 8, SUSPECT=6, ANSWERED=1)]
    found = by_subject(Seen().take(sums(0, NOW, rows)))
    assert {subject: cases[0].measure for subject, cases in found.items()} == {
        "trunk/op-a/igw-1": "notify_partner",
        "block/+44740012": "notify_partner",
        "callee/+77271111111": "alert_bank",
    }
    assert {found[subject][0].kind for subject in ("trunk/op-a/igw-1", "callee/+77271111111")} == {"scam_centre"}


def test_a_flood_on_an_emergency_number_is_a_case_to_be_watched_and_no_bank_is_told():
    seen, said = Seen(), []
    for second in range(1_200):
        at = NOW + second * 1_000
        seen.take(sums(1, at, [call(77272999999, 0, 0, 1)]))
        if second >= 1_000:
            said += seen.take(sums(0, at, [call(112, 44740012 + second, 0, 2)]))
    (case,) = by_subject(said)["callee/112"][:1]
    assert (case.kind, case.measure) == ("tdos", "watch")


@pytest.mark.parametrize(("own", "expected"), [(0, ["notify_partner"]), (2, [])])
def test_a_flood_from_few_lines_is_a_case_for_whoever_hands_them_over(own, expected):
    seen, said = Seen(), []
    for second in range(1_200):
        at = NOW + second * 1_000
        seen.take(sums(1, at, [call(77272999999, 0, 0, 1)]))
        if second >= 1_000:
            first = 4 if second == 1_000 else 0
            again = [call(77272345678, 44740012, 1, 2, CALLER=first), call(77272345678, 0, 0, own, CALLER=min(own, 1))]
            said += seen.take(sums(0, at, again))
    cases = by_subject(said).get("callee/+77272345678", [])
    assert [(case.kind, case.measure) for case in cases[:1]] == [("tdos", measure) for measure in expected]


@pytest.mark.parametrize(("own", "others", "expected"), [(0, 5, 1), (1, 5, 1), (2, 5, 0), (8, 2, 0)])
def test_a_crowd_that_calls_a_quiz_from_own_lines_is_no_flood(own, others, expected):
    seen, said = Seen(), []
    for second in range(1_200):
        at = NOW + second * 1_000
        seen.take(sums(1, at, [call(77272999999, 0, 0, 1)]))
        if second >= 1_000:
            crowd = [call(77272345678, 0, 0, own, ANSWERED=1), call(77272345678, 44740012 + second, 0, others)]
            said += seen.take(sums(0, at, crowd))
    assert len({case.case for case in said}) == expected


def gives_way(seen, trunk=None, minutes=5, back=0, short=4):
    """Eight new lines of a range one after the other, ten calls of each answered, called back so often."""
    found = []
    for number in range(8):
        since = NOW - (50 - 6 * number) * MINUTE
        at = since + minutes * MINUTE
        told = new_line(number, at, since, 20, trunk, short=short)
        found += seen.take(told)
        found += seen.take(sums(0, since + 5 * MINUTE, [call(int(told.line[1:]), 0, 0, back)]))
    return found + seen.take(sums(0, NOW, [call(0, 0, 0)]))


@pytest.mark.parametrize(("trunk", "subject", "measure", "operators"), [
    ("transit-1", f"campaign/{OVER}", "notify_partner", ["op-a"]), (None, f"campaign/{OWN}", "watch", []),
])  # fmt: skip
def test_a_range_whose_lines_give_way_is_a_case_that_is_opened_once_whoever_goes_on(trunk, subject, measure, operators):
    seen, after = Seen(), Seen()
    cases = gives_way(seen, trunk)
    assert {case.subject for case in cases} == {subject}
    assert len({case.case for case in cases}) == 1
    last = cases[-1]
    assert (last.kind, last.measure, last.status, last.operators) == ("scam_centre", measure, "open", operators)
    assert {ground.what for ground in last.grounds} >= {"replaced", "replaced/lines", "talk/long"}
    seen.take(sums(0, NOW + AGAIN_MS - 1_000, [call(0, 0, 0)]))
    seen.merger.take(99, sums(0, NOW + 2 * AGAIN_MS, [call(0, 0, 0)]))
    signals = [signal for signal in said(seen.merger).values() if signal is not None]
    for signal in signals:
        after.merger.restore(signal)
    for case in cases:
        after.book.restore(case)
    again = after.take(sums(0, NOW + 3 * AGAIN_MS, [call(0, 0, 0)]))
    assert signals
    assert again == []
    more = gives_way(after, trunk)
    assert {case.case for case in more} <= {last.case}


@pytest.mark.parametrize("who", [{"minutes": 49}, {"back": 1}, {"short": 1}], ids=str)
def test_an_office_of_new_lines_that_stay_or_are_called_back_or_listened_to_is_no_campaign(who):
    assert gives_way(Seen(), "transit-1", **who) == []
