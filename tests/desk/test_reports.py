"""Reports as a person makes them: what the trainer would not take is refused."""

import pytest

from streamer.calls.numbers import home_plan
from streamer.desk import reports
from streamer.errors import DeskError

KZ = home_plan("KZ")
GIVEN = {"caller": "87011234567", "at": 100_000_000, "label": "fraud", "source": "bank", "by": "b", "note": "n"}


def test_a_report_lies_under_the_caller_key_and_says_what_it_labels():
    made, key = reports.report({**GIVEN, "callee": "87272345678", "from": 5, "to": None}, KZ)
    assert key == "+77011234567"
    assert made.from_ == 5
    meaning = reports.meaning(made, KZ)
    assert "calls of +77011234567 to +77272345678" in meaning
    assert "interconnect else own line (of the sample none)" in meaning
    known = reports.report({**GIVEN, "callee": "87272345678", "source": "analyst"}, KZ)[0]
    assert "interconnect else own line, as fraud" in reports.meaning(known, KZ)
    assert "the call x" in reports.meaning(reports.report({**GIVEN, "call_id": "x"}, KZ)[0], KZ)


@pytest.mark.parametrize(
    ("given", "word"),
    [
        ({"scope": "line"}, "police"),
        ({"caller": "anonymous"}, "names no call"),
        ({"caller": ""}, "neither"),
        ({"from": 2, "to": 1}, "--since is later than --until"),
        ({"label": "legitimate", "fraud_type": "wangiri"}, "no fraud type"),
        ({"source": "neighbour"}, "no report"),
    ],
)
def test_what_labels_nothing_is_refused(given, word):
    with pytest.raises(DeskError, match=word):
        reports.report({**GIVEN, **given}, KZ)
