"""Simulated lines are like the real ones of the Sichuan records, as far as docs/lab.md says."""

import pytest

from tests.lab.fit import REAL, distance, fraudulent, honest, real

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not REAL.exists(), reason=f"{REAL} is not there: real records stay outside the project"),
]
MOST = {
    "honest": {"calls": 0.15, "peers": 0.3, "outgoing": 0.3, "mean_talk": 0.25, "median_talk": 0.12, "hours": 0.2},
    "fraud": {"calls": 0.15, "peers": 0.2, "outgoing": 0.2, "mean_talk": 0.22, "median_talk": 0.14, "hours": 0.3},
}
"""The largest gap between cumulative shares: of honest lines for a third of the lines that docs/lab.md tells of."""


@pytest.mark.parametrize(("kind", "label", "made"), [("honest", "0", lambda: honest(450)), ("fraud", "1", lambda: fraudulent(600))])  # fmt: skip
def test_lines_are_like_real_ones(kind, label, made):
    one, other = real(label), made()
    gaps = {name: distance(one[name], other[name]) for name in one}
    assert all(gap < MOST[kind][name] for name, gap in gaps.items()), gaps


def test_honest_and_fraudulent_lines_are_not_alike():
    one, other = real("0"), fraudulent(300)
    assert distance(one["outgoing"], other["outgoing"]) > 0.4
    assert distance(one["hours"], other["hours"]) > 0.4
