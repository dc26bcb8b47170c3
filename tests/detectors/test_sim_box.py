"""SIMs that carry other people's calls, and the honest lines that call much."""

from statistics import median

import pytest

from tests.detectors.calling import HOUR, MONDAY, about, anyone, enter, paced, played, quiet, why

MORNING = MONDAY + 8 * HOUR


@pytest.fixture
def held():
    return quiet()


def flagged(said):
    return [one for one in said if "sim_box.profile" in one.reasons]


def day(caller, count=110, gap_s=400, callee=anyone, talk_s=None, seed=1, ingress="subscriber"):
    return paced(
        caller, MORNING, count, gap_s, callee, answered=0.6, talk_s=talk_s or about(140), seed=seed, ingress=ingress
    )


def test_sims_of_a_box_are_labelled_soon_after_their_fiftieth_call(held):
    firsts, last = [], None
    for sim in range(15):
        said = played(held, day(f"+770177700{sim:02d}", seed=sim))
        firsts.append(["sim_box.profile" in one.reasons for one in said].index(True) + 1)
        assert {one.action for one in said} == {"allow", "label"}
        last = said[-1].call if "sim_box.profile" in said[-1].reasons else last
    assert min(firsts) >= 51
    assert median(firsts) <= 60
    observed, threshold, window_s = why(held, last._replace(at=last.at + 1_000), "sim_box.profile")
    assert observed > threshold
    assert window_s == 86_400


@pytest.mark.parametrize("calls", [
    day("+77017770001", talk_s=about(25)), day("+77272585000"), day("+77017770001", ingress="national"),
    day("+77017770001", count=50), day("+77017770001", callee=lambda d, n: f"+77015550{n % 30:03d}"),
], ids=["courier", "fixed line", "interconnect", "fifty calls", "the same lines again"])  # fmt: skip
def test_others_that_call_much_pass(held, calls):
    assert flagged(played(held, calls)) == []


def test_an_allow_entry_exempts(held):
    enter(held, "allow", "+77017770001", "caller")
    assert flagged(played(held, day("+77017770001"))) == []
