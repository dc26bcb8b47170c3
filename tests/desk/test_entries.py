"""Entries of lists: one spelling, refused when they can never match, and their past."""

import pytest

from streamer.calls.codec import encode
from streamer.calls.events import ListEntry
from streamer.calls.numbers import home_plan
from streamer.desk import entries
from streamer.desk.record import signed
from streamer.errors import DeskError
from streamer.kafka.logs import LogRecord

KZ, GB = home_plan("KZ"), home_plan("GB")


def entered(number, plan=KZ, which="block", match="exact", side="caller", trunk=None, expires_at=None):
    return entries.entry(
        which, number, plan, 1_000, match=match, side=side, trunk=trunk, expires_at=expires_at, by="a", why="b"
    )


def record(offset, entry, value=True, headers=(), key=None):
    return LogRecord(
        "lists", 0, offset, 1_000 + offset, (key or entry.key).encode(), encode(entry) if value else None, headers
    )


@pytest.mark.parametrize(
    ("number", "match", "plan", "spelled"),
    [
        ("8 (701) 123-45-67", "exact", KZ, "+77011234567"),
        ("sip:+77011234567@op.kz", "exact", KZ, "+77011234567"),
        ("112", "exact", KZ, "112"),
        ("withheld:87272345678", "exact", KZ, "withheld:+77272345678"),
        ("810 44 20", "prefix", KZ, "+4420"),
        ("8701", "prefix", KZ, "+7701"),
        ("+7 701", "prefix", KZ, "+7701"),
        ("17", "prefix", KZ, "17"),
        ("87011234567", "prefix", KZ, "+77011234567"),
        ("020", "prefix", GB, "+4420"),
    ],
)
def test_numbers_are_entered_in_the_spelling_that_is_compared(number, match, plan, spelled):
    assert entered(number, plan, match=match).number == spelled


@pytest.mark.parametrize(
    ("number", "given", "word"),
    [
        ("anonymous", {}, "withheld"),
        ("", {}, "withheld"),
        ("+7701", {}, "prefix meant"),
        ("+0123", {"match": "prefix"}, "can never match"),
        ("+1234567890123456", {"match": "prefix"}, "can never match"),
        ("abc", {"match": "prefix"}, "no prefix"),
        ("112", {"which": "emergency"}, "called"),
        ("+77011234567", {"which": "do_not_originate", "side": "called"}, "caller"),
        ("+77011234567", {"expires_at": 1_000}, "expired"),
        ("+77011234567", {"which": "allocated", "side": "called"}, "caller"),
        ("+77272500000", {"which": "protected"}, "--side called"),
        ("+7809", {"which": "premium", "match": "prefix"}, "--side called"),
        ("+77011234567", {"trunk": " "}, "trunk"),
        ("+77011234567", {"which": "blok"}, "no entry"),
    ],
)
def test_what_can_never_match_is_refused(number, given, word):
    with pytest.raises(DeskError, match=word):
        entered(number, **given)


def test_an_entry_is_found_however_it_was_spelled_and_its_past_says_who_and_why():
    ours = entered("+77011234567")
    foreign = ListEntry(list="block", match="exact", number="8 701 123 45 67", side="caller", by="other", why="old")
    prefix = entered("8701", match="prefix")
    log = [
        record(0, foreign),
        record(1, ours),
        record(2, prefix),
        record(3, ours),
        LogRecord("lists", 0, 4, 1_004, b"bad", b"{}", ()),
        record(5, foreign, value=False, headers=signed("c", "d")),
    ]
    assert [found.entry for found in entries.held(log)] == [prefix, ours]
    both = entries.held(log[:5])
    assert {found.key for found in entries.matching(both, KZ, number="77011234567", match="exact")} == {
        foreign.key,
        ours.key,
    }
    assert entries.matching(both, KZ, number="+7701", which="block")[0].entry == prefix
    past = list(entries.history(log))
    assert [one.done for one in past] == ["added", "added", "added", "changed", "refused", "removed"]
    assert (past[-1].by, past[-1].why, past[-1].entry) == ("c", "d", foreign)
    assert "missing required" in past[4].why
