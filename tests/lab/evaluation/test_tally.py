"""Figures of calls that were made by hand, each known beforehand."""

from math import inf

import pytest

from streamer.calls.numbers import home_plan
from streamer.lab.evaluation.cases import Cases
from streamer.lab.evaluation.contributions import Contributions
from streamer.lab.evaluation.figures import figures
from streamer.lab.evaluation.tally import Tally
from streamer.lab.truth import Truth
from tests.lab.evaluation.made import fraud, honest, verdict

PLAN = home_plan("KZ")


def told(pairs, *, warm_ms=0, run="1"):
    tally, contributions = Tally(), Contributions()
    tally.begin(run, warm_ms)
    for truth, found in pairs:
        tally.add(truth, found)
        contributions.add(truth, found)
    return figures(tally, contributions, [], Cases(PLAN))


def of(found, name):
    return next(one for one in found.frauds if one.adversary == name)


def test_a_campaigns_first_twenty_calls_do_not_count():
    calls = [(fraud("robocall"), verdict(n, "block" if n in {21, 22, 23, 24} else "allow")) for n in range(1, 26)]
    one = of(told(calls), "robocall")
    assert (one.calls, one.blocked, one.counted, one.met, one.recall) == (25, 4, 5, 4, 0.8)
    assert one.standing == "missed"
    assert (one.campaigns, one.campaigns_met, one.first_calls, one.first_s) == (1, 1, (21.0, 21.0), (20.0, 20.0))


def test_campaigns_are_counted_apart_and_short_ones_do_not_count():
    calls = [(fraud("wangiri", "a"), verdict(n, "block")) for n in range(22)]
    calls += [(fraud("wangiri", "b"), verdict(n, "allow", caller="+5351234567")) for n in range(30)]
    calls += [(fraud("wangiri", "short"), verdict(n, "block", caller="+5357654321")) for n in range(20)]
    one = of(told(calls), "wangiri")
    assert (one.counted, one.met, one.campaigns, one.campaigns_met) == (12, 2, 2, 1)
    assert (one.lines, one.lines_met) == (3, 2)
    assert one.first_calls == (inf, inf)
    assert one.over_calls == (1.0, inf)


def test_an_adversary_is_told_apart_from_the_published_fraud():
    calls = [(Truth("a", "robocall", "robocall+slower@4.1"), verdict(n)) for n in range(30)]
    calls += [(fraud("robocall"), verdict(n, "block")) for n in range(30)]
    found = told(calls)
    assert (of(found, "robocall").recall, of(found, "robocall").standing) == (1.0, "met")
    assert of(found, "robocall+slower@4").recall == 0.0


def test_a_revision_counts_where_the_bar_says_so_and_as_a_wrong_block_everywhere():
    calls = [(fraud("unverified_origin"), verdict(1, revised=True)), (fraud("trunk_mismatch"), verdict(2, revised=True, features={"trunk_kind": 1.0})),
             (honest(), verdict(3, revised=True))]  # fmt: skip
    found = told(calls)
    assert of(found, "unverified_origin").met == 1
    assert (of(found, "trunk_mismatch").met, of(found, "trunk_mismatch").blocked) == (0, 1)
    assert found.honest_calls.errors == 1


@pytest.mark.parametrize(
    ("kind", "action", "met"), [(1.0, "block", 1), (4.0, "label", 0), (3.0, "label", 1), (2.0, "allow", 0)]
)
def test_refiling_is_labelled_and_other_mismatches_are_blocked(kind, action, met):
    found = told([(fraud("trunk_mismatch"), verdict(1, action, features={"trunk_kind": kind}))])
    assert of(found, "trunk_mismatch").met == met


def test_spoofing_counts_where_the_location_is_known():
    features = ({"caller_roaming": 0.0}, {"caller_roaming": None})
    calls = [(fraud("cli_spoofing"), verdict(n, "label" if n else "block", features=f)) for n, f in enumerate(features)]
    one = of(told(calls), "cli_spoofing")
    assert (one.calls, one.counted, one.met, one.standing) == (2, 1, 1, "met")


def test_rotated_numbers_count_from_the_second_victim_of_their_trunk():
    victims = ("+77010000001", "+77010000001", "+77010000002", "+77010000001", "+77010000003")
    calls = [(fraud("number_rotation"), verdict(n, "block", callee=callee)) for n, callee in enumerate(victims)]
    calls.append((fraud("number_rotation"), verdict(9, "block", callee="+77010000009", trunk="another")))
    assert of(told(calls), "number_rotation").counted == 2


def test_neighbours_count_after_the_first_fifty_of_their_trunk_whatever_the_campaign():
    calls = [(fraud("neighbour_spoofing", f"{n}"), verdict(n, "label")) for n in range(60)]
    assert of(told(calls), "neighbour_spoofing").counted == 10


@pytest.mark.parametrize(("until", "standing"), [(60, "met"), (61, "missed")])
def test_a_sim_box_is_measured_by_the_calls_of_each_of_its_sims(until, standing):
    calls = []
    for sim in range(3):
        calls += [
            (fraud("sim_box"), verdict(n, "block" if n >= until and sim else "allow", caller=f"+7701000000{sim}"))
            for n in range(1, until + 5)
        ]
    calls += [(fraud("sim_box"), verdict(n, caller="+77010000009")) for n in range(60)]  # too few to tell
    one = of(told(calls), "sim_box")
    assert (one.campaigns, one.campaigns_met, one.first_calls[0], one.standing) == (3, 2, float(until), standing)
    assert (one.counted, one.met) == (3 * (until - 56), 2 * (until - 56))


def test_sims_that_made_few_calls_tell_nothing():
    calls = [(fraud("sim_box"), verdict(n, caller=f"+7701000000{n % 3}")) for n in range(60)]
    assert of(told(calls), "sim_box").standing == "no call counts"


def test_wrong_blocks_by_kind_call_and_line():
    calls = [(honest("courier"), verdict(n, caller=f"+7701000000{n % 4}", origin="own_line")) for n in range(8)]
    calls += [(honest("courier"), verdict(n, "block", caller="+77010000001", origin="own_line", asked=["robocall.short_calls"]))
              for n in (20, 21)]  # fmt: skip
    calls += [(honest("roamer"), verdict(n, "label", caller="+77010000001", said=["a.b"])) for n in range(10)]
    found = told(calls)
    assert (found.honest_calls.errors, found.honest_calls.trials, found.honest_calls.per) == (2, 20, 10_000)
    assert (found.honest_lines.errors, found.honest_lines.trials) == (1, 5)
    worst, other = found.kinds
    assert (worst.kind, worst.calls.errors, worst.calls.trials, worst.lines.errors, worst.lines.trials) == (
        "courier",
        2,
        10,
        1,
        4,
    )
    assert worst.reasons == [("robocall.short_calls", 2)]
    assert (other.kind, other.calls.errors, other.labelled, other.labels) == ("roamer", 0, 10, [("a.b", 10)])
    assert found.precisions[0].measured == 0.0


def test_while_windows_fill_nothing_counts_and_campaigns_go_on():
    calls = [(fraud("robocall"), verdict(n, "block" if n >= 5 else "allow")) for n in range(30)]
    calls += [(honest(), verdict(1, "block")), (honest(), verdict(29))]
    found = told(calls, warm_ms=10_000)
    one = of(found, "robocall")
    assert (one.calls, one.counted, one.first_calls[0]) == (20, 10, 6.0)
    assert (found.honest_calls.errors, found.honest_calls.trials, found.warming) == (0, 1, 11)


def test_lines_and_campaigns_of_two_runs_are_not_the_same():
    tally = Tally()
    for run in ("1", "2"):
        tally.begin(run, 0)
        for n in range(15):
            tally.add(fraud("robocall"), verdict(n))
            tally.add(honest(), verdict(n, "block"))
    found = figures(tally, Contributions(), [], Cases(PLAN))
    assert of(found, "robocall").standing == "no call counts"
    assert found.honest_lines.trials == 2


def test_what_a_detector_adds():
    both = ["robocall.short_calls", "range_probing.sequential"]
    calls = [
        (fraud("robocall"), verdict(1, "block", asked=both[:1])),
        (fraud("robocall"), verdict(2, "block", asked=both)),
        (fraud("robocall"), verdict(3, asked=[f"shadow:{both[0]}"])),
        (fraud("unverified_origin"), verdict(4, revised=True, asked=["unverified_origin.not_originated"])),
        (honest(), verdict(5, "block", asked=both)),
        (honest(), verdict(6, "block", asked=both[1:])),
    ]
    by = told(calls).contributions
    assert (by["robocall"].alone, by["robocall"].shared, by["robocall"].wrong_alone, by["robocall"].wrong_shared) == (
        1,
        1,
        0,
        1,
    )
    assert (by["range_probing"].alone, by["range_probing"].shared, by["range_probing"].wrong) == (0, 1, 2)
    assert by["unverified_origin"].alone == 1
    assert dict(by["robocall"].frauds) == {"robocall": 2}


def test_what_was_not_seen_is_said_to_be():
    found = told([(honest(), verdict(1))])
    assert {one.standing for one in found.frauds} == {"no call seen"}
    assert not of(found, "irsf").calls
