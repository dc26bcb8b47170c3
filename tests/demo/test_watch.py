"""What the demonstration says of the model: how the first calls of a campaign were scored against the latest."""

import pytest

from streamer.demo.watch import Watch

CAMPAIGN = "scam_centre"


def told(scores, label):
    return [({"action": "allow", "reasons": [], "model": "champion@1", "score": score}, label) for score in scores]


def watched(decisions):
    watch = Watch()
    for decision, label in decisions:
        watch.decision(decision, 0.0, 0.001, label, CAMPAIGN)
    return watch


def test_nothing_is_said_before_both_kinds_were_scored():
    assert watched(told([0.1] * 30, CAMPAIGN)).score_turn() is None
    assert watched(told([0.1] * 30, None) + told([0.1] * 9, CAMPAIGN)).score_turn() is None


@pytest.mark.parametrize("later", [20, 200, 2_000])
def test_the_first_scores_stay_what_they_were_however_long_it_runs(later):
    watch = watched(told([0.02] * 20 + [0.9] * later, CAMPAIGN) + told([0.01] * (20 + later), None))
    assert watch.score_turn() == pytest.approx((0.02, 0.9, 0.01, 0.01))


def test_first_and_latest_never_overlap():
    watch = watched(told([0.0] * 5 + [1.0] * 5, CAMPAIGN) + told([0.0] * 10, None))
    assert watch.score_turn() == pytest.approx((0.0, 1.0, 0.0, 0.0))


def test_another_campaigns_calls_and_calls_without_a_score_are_left_out():
    watch = watched(told([0.5] * 10, CAMPAIGN) + told([0.1] * 10, None) + told([0.9] * 10, "wangiri"))
    watch.decision({"action": "allow", "reasons": [], "model": None, "score": None}, 0.0, 0.001, None, CAMPAIGN)
    assert watch.score_turn() == pytest.approx((0.5, 0.5, 0.1, 0.1))
    assert watch.decided == 31
