"""Measuring by matured windows, against the definitions computed case by case."""

import json
import math

import numpy as np
import pytest

from streamer.models.prequential import Prequential

HOUR = 3_600_000
MATURE = 72 * HOUR


def cases(seed, n=2_000):
    random = np.random.default_rng(seed)
    fraud = random.random(n) < 0.1
    logit = random.normal(np.where(fraud, 1.5, -2.0), 1.5)
    return [
        (float(s), bool(f), float(w)) for s, f, w in zip(1 / (1 + np.exp(-logit)), fraud, random.choice([1.0, 20.0], n))
    ]


def by_definition(found):
    s, f, w = (np.array(column) for column in zip(*found, strict=True))
    place = np.round(np.log(s / (1 - s)) / 0.1)
    loss = -(w * np.where(f, np.log(s), np.log(1 - s))).sum() / w.sum()
    above = (place[f][:, None] > place[~f][None, :]) + 0.5 * (place[f][:, None] == place[~f][None, :])
    mass = w[f][:, None] * w[~f][None, :]
    recall = average = 0.0
    for level in sorted(set(place), reverse=True):
        inside = place >= level
        now = w[inside & f].sum() / w[f].sum()
        average += (now - recall) * w[inside & f].sum() / w[inside].sum()
        recall = now
    return loss, (above * mass).sum() / mass.sum(), average


def test_equals_the_definitions():
    found, window = cases(1), Prequential(MATURE)
    for score, fraud, weight in found:
        window.add(5 * HOUR + 17, score, fraud=fraud, weight=weight)
    (measure,) = window.close(6 * HOUR + MATURE)
    loss, roc, pr = by_definition(found)
    assert (measure.from_ms, measure.cases) == (5 * HOUR, len(found))
    assert measure.log_loss == pytest.approx(loss, rel=1e-9)
    assert measure.roc_auc == pytest.approx(roc, rel=1e-9)
    assert measure.pr_auc == pytest.approx(pr, rel=1e-9)


def test_a_window_is_measured_once_and_only_when_all_its_labels_can_have_come():
    window = Prequential(MATURE)
    window.add(HOUR, 0.9, fraud=True, weight=1.0)
    assert window.close(2 * HOUR + MATURE - 1) == []
    assert len(window.close(2 * HOUR + MATURE)) == 1
    window.add(HOUR, 0.9, fraud=True, weight=1.0)
    assert window.late == 1
    assert window.close(9 * HOUR + MATURE) == []


def test_a_correction_leaves_no_trace_of_the_first_label():
    once, corrected = Prequential(MATURE), Prequential(MATURE)
    for score, fraud, weight in cases(2, 300):
        once.add(0, score, fraud=fraud, weight=weight)
        corrected.add(0, score, fraud=not fraud, weight=weight)
        corrected.add(0, score, fraud=fraud, weight=weight, corrects=True)
    (a,), (b,) = once.close(MATURE + HOUR), corrected.close(MATURE + HOUR)
    assert a.cases == b.cases
    assert b[2:] == pytest.approx(a[2:], rel=1e-6)


def test_one_label_alone_has_a_loss_but_no_auc():
    window = Prequential(MATURE)
    window.add(0, 0.25, fraud=False, weight=2.0)
    (measure,) = window.close(MATURE + HOUR)
    assert measure.log_loss == pytest.approx(-math.log(0.75))
    assert math.isnan(measure.roc_auc)
    assert math.isnan(measure.pr_auc)


def test_cases_without_a_score_are_not_measured():
    window = Prequential(MATURE)
    window.add(0, None, fraud=True, weight=1.0)
    window.add(0, math.nan, fraud=True, weight=1.0)
    assert window.close(MATURE + HOUR) == []


def test_goes_on_from_its_state():
    one, other = Prequential(MATURE), Prequential(MATURE)
    for score, fraud, weight in cases(3, 200):
        for window in (one, other):
            window.add(HOUR, score, fraud=fraud, weight=weight)
        other = Prequential.from_state(json.loads(json.dumps(other.state())), MATURE)
    assert one.close(2 * HOUR + MATURE) == other.close(2 * HOUR + MATURE)
    assert Prequential.from_state(one.state(), 10_000).window_ms == 10_000
