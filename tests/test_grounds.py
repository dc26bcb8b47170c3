"""The rules of cases under a policy: bounds that it moves, rules that it closes, and names that there are not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.calls.decisions import CasePolicy
from streamer.errors import MessageError
from streamer.grounds import RULES, check, in_force, judged

OWN = {
    rule.name: st.builds(
        CasePolicy,
        opens=st.booleans(),
        thresholds=st.fixed_dictionaries({}, optional=dict.fromkeys(rule.thresholds, st.integers(0, 200).map(float))),
    )
    for rule in RULES
}
FIGURES = sorted({name for rule in RULES for demand in rule.demands for name in (demand.what, demand.over) if name})


@given(
    st.fixed_dictionaries({}, optional=OWN),
    st.sampled_from(sorted({rule.subject for rule in RULES})),
    st.dictionaries(st.sampled_from(FIGURES), st.integers(0, 300).map(float)),
)
def test_a_case_is_made_by_the_first_open_rule_whose_bounds_in_force_all_hold(own, kind, values):
    check(own)

    def holds(rule):
        told = own.get(rule.name, CasePolicy())
        for demand in rule.demands:
            below = values.get(demand.over, 0.0) if demand.over else 1.0
            if not told.opens or demand.what not in values or not below:
                return False
            bound = told.thresholds.get(demand.name, rule.thresholds[demand.name])
            seen = values[demand.what] / below
            if seen < bound if demand.least is not None else seen > bound:
                return False
        return True

    expected = next((rule for rule in RULES if rule.subject == kind and holds(rule)), None)
    found = judged(kind, values, in_force(own))
    assert (found and found[0].name) == (expected and expected.name)
    if expected is not None:
        told = own.get(expected.name, CasePolicy())
        bounds = {it.what: it.most if it.least is None else it.least for it in found[1]}
        assert bounds == expected.thresholds | dict(told.thresholds)


def test_a_policy_that_says_nothing_leaves_the_rules_as_they_are():
    assert in_force({}) == RULES


@pytest.mark.parametrize(("own", "word"), [
    ({"imei_simbox_bar_sim": CasePolicy()}, "did you mean 'imei_sim_box_bar_sim'"),
    ({"holder_sim_box_watch": CasePolicy(thresholds={"sim": 9})}, "it has sims"),
    ({"imei_sim_box_watch": CasePolicy(thresholds={"victims": 9})}, "it has sims, calls, victims/calls"),
])  # fmt: skip
def test_names_that_there_are_not_are_refused(own, word):
    with pytest.raises(MessageError, match=word):
        check(own)
