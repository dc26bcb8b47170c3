"""What a count of errors allows to be said: the exact bound on their rate, and precision where fraud is as rare as it is."""

from __future__ import annotations

from typing import Final

from scipy.special import betaincinv

CONFIDENCE: Final = 0.95


def upper_bound(errors: int, trials: int, confidence: float = CONFIDENCE) -> float:
    """The rate of errors that is not exceeded, one-sided and exact; 1 where nothing was tried.

    Source: Clopper and Pearson, Biometrika 26 (1934), 404; as a quantile of the beta distribution. The trials are taken to be
    independent of each other.

    >>> f"{upper_bound(0, 300_000):.2e}"
    '9.99e-06'
    """
    if errors >= trials:
        return 1.0
    return float(betaincinv(errors + 1, trials - errors, confidence))


def precision(recall: float, wrong: float, prevalence: float) -> float:
    """The part of blocks that hit fraud, when `prevalence` of all calls is fraud, `recall` of it is blocked and `wrong` of the rest.

    >>> round(precision(0.9, 0.001, 0.001), 3)
    0.474
    """
    hit = prevalence * recall
    blocked = hit + (1 - prevalence) * wrong
    return hit / blocked if blocked else float("nan")
