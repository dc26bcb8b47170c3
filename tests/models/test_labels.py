"""Whom a report speaks of, rule by rule of the contract."""

import pytest

from streamer.calls import numbers
from streamer.calls.events import LATEST_MS, Feedback
from streamer.models.labels import DEFAULT_SPAN_MS, Refusal, claim

PLAN = numbers.home_plan("KZ")
AT = 1_763_953_123_123
FIRST_INTERCONNECT = ("interconnect", "own_line")
FIRST_OWN_LINE = ("own_line", "interconnect")


def said(**given):
    return claim(Feedback(**({"caller": "+77011234567", "at": AT, "label": "fraud", "source": "bank"} | given)), PLAN)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"call_id": "a@1"}, {"call_id": "a@1", "from_ms": 0, "to_ms": LATEST_MS, "origins": FIRST_INTERCONNECT}),
        ({"call_id": "a@1", "from_": 5, "to": 9}, {"from_ms": 5, "to_ms": 9}),
        ({"call_id": "a@1", "caller": ""}, {"caller": None}),
        ({"caller": "8 (701) 123-45-67"}, {"caller": "+77011234567"}),
        ({"caller": "sip:+77011234567@op.kz;user=phone"}, {"caller": "+77011234567"}),
        ({"callee": "87272345678"}, {"callee": "+77272345678", "origins": FIRST_INTERCONNECT, "sampled": False}),
        ({"callee": "87272345678", "source": "subscriber", "call_id": "a@1"}, {"sampled": True}),
        ({"callee": "87272345678", "source": "honeypot", "label": "legitimate"}, {"sampled": False}),
        ({"callee": "87272345678", "source": "analyst"}, {"origins": FIRST_INTERCONNECT, "sampled": True}),
        ({"callee": "87272345678", "scope": "line", "source": "police"}, {"origins": FIRST_OWN_LINE, "sampled": True}),
        ({}, {"callee": None, "origins": ("interconnect",), "from_ms": AT - DEFAULT_SPAN_MS, "to_ms": AT}),
        ({"callee": ""}, {"callee": None, "origins": ("interconnect",)}),
        ({"from_": AT - 5, "to": AT - 1}, {"from_ms": AT - 5, "to_ms": AT - 1}),
        ({"caller": "anonymous", "callee": "+77272345678"}, {"caller": "withheld:+77272345678"}),
        ({"caller": "x" * 255}, {"caller": "x" * 255}),
        ({"caller": "", "callee": "x" * 255}, {"caller": ("withheld:" + "x" * 255)[:255]}),  # as evidence has it
        ({"label": "legitimate", "source": "subscriber"}, {"fraud": False}),
        ({"scope": "line", "source": "police"}, {"origins": FIRST_OWN_LINE, "fraud": True}),
        ({"scope": "line", "source": "operator"}, {"origins": FIRST_OWN_LINE}),
        ({"scope": "line", "source": "analyst"}, {"origins": FIRST_OWN_LINE}),
    ],
)
def test_what_a_report_claims(given, expected):
    found = said(**given)
    assert {name: getattr(found, name) for name in expected} == expected


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"scope": "line", "source": "bank"}, "untrusted_line"),
        ({"scope": "line", "source": "subscriber"}, "untrusted_line"),
        ({"scope": "line", "source": "honeypot", "call_id": "a@1"}, "untrusted_line"),
        ({"caller": ""}, "no_call_named"),
        ({"caller": "anonymous"}, "no_call_named"),
        ({"from_": 9, "to": 5}, "empty_span"),
    ],
)
def test_what_is_not_taken(given, reason):
    assert said(**given) == Refusal(reason)
