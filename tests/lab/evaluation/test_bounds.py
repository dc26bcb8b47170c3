"""The bound on an error rate is exact, and precision is what Bayes says."""

from fractions import Fraction
from math import comb, isnan, nan

import pytest

from streamer.lab.evaluation.bounds import precision, upper_bound


def chance_of_so_few(errors, trials, rate):
    """That no more errors than these come of a rate, by counting."""
    p = Fraction(rate)
    return float(sum(comb(trials, k) * p**k * (1 - p) ** (trials - k) for k in range(errors + 1)))


@pytest.mark.parametrize(("errors", "trials"), [(0, 10), (1, 10), (9, 10), (0, 400), (3, 400), (37, 250)])
def test_at_the_bound_so_few_errors_have_a_chance_of_one_in_twenty(errors, trials):
    assert chance_of_so_few(errors, trials, upper_bound(errors, trials)) == pytest.approx(0.05, rel=1e-6)


@pytest.mark.parametrize(
    ("errors", "trials", "known"),
    [(0, 100, 0.029513), (5, 100, 0.102256), (0, 300_000, 9.9857e-6)],
)
def test_known_values(errors, trials, known):
    assert upper_bound(errors, trials) == pytest.approx(known, rel=1e-4)


def test_three_hundred_thousand_calls_without_an_error_show_one_in_a_hundred_thousand():
    assert upper_bound(0, 300_000) < 1e-5 < upper_bound(0, 299_000)


def test_where_nothing_was_tried_or_all_went_wrong_nothing_is_excluded():
    assert upper_bound(0, 0) == upper_bound(7, 7) == 1.0


@pytest.mark.parametrize(
    ("recall", "wrong", "prevalence", "is_"),
    [(1.0, 0.0, 0.001, 1.0), (0.5, 0.001, 0.001, 0.0005 / (0.0005 + 0.000999)), (0.0, 0.0, 0.001, nan)],
)
def test_precision(recall, wrong, prevalence, is_):
    found = precision(recall, wrong, prevalence)
    assert isnan(found) if isnan(is_) else found == pytest.approx(is_)
