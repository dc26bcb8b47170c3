"""Dead letters: what sending each again would come to."""

import re

import orjson
import pytest
from confluent_kafka import Message

from streamer.calls.numbers import home_plan
from streamer.desk import letters
from streamer.desk.noted import Noted
from streamer.kafka.clients import MAX_MESSAGE_BYTES
from streamer.kafka.dead_letters import buried, dead_letter_headers
from streamer.kafka.headers import MOST, headers_of
from streamer.kafka.logs import LogRecord
from streamer.kafka.topics import Topics, dead_letter
from streamer.settings import Settings

TOPICS, KZ = Topics(Settings(prefix="", partitions=4)), home_plan("KZ")
SETUP = {
    "type": "setup",
    "call_id": "c",
    "at": 1_000,
    "operator": "op-a",
    "caller": "87011234567",
    "callee": "112",
    "ingress": "national",
}


def lie(topic, key, value, headers=(), offset=0):
    value = orjson.dumps(value) if isinstance(value, dict) else value
    buried = tuple(dead_letter_headers("why", "text", topic, 2, 17, headers))
    return LogRecord(dead_letter(topic), 0, offset, 5_000, key, value, buried)


def planned(record, newest=(), again=False, more=(), lasting=()):
    found, sent = [], Noted()
    for one in letters.letters([record, *more]):
        if isinstance(one, letters.Letter):
            found.append(one)
        else:
            sent.add(one)
    plans = letters.planned(found, TOPICS, KZ, sent, again=again)
    (plan,) = letters.superseded(plans, {(one.topic, one.key): one for one in newest}, lasting)
    return plan


def test_a_letter_says_where_it_came_from():
    (letter,) = letters.letters([lie(TOPICS.calls, b"k", SETUP)])
    assert (letter.reason, letter.message, letter.topic, letter.partition, letter.offset) == (
        "why",
        "text",
        TOPICS.calls,
        2,
        17,
    )
    assert (letter.operator, letter.replayed) == ("op-a", 0)


@pytest.mark.parametrize("size", [65, 200_000])
def test_a_name_that_no_operator_can_have_is_none(size):
    (letter,) = letters.letters([lie(TOPICS.calls, b"k", SETUP | {"operator": "x" * size})])
    assert letter.operator is None


def test_a_letter_of_any_size_says_whose_it_is():
    (letter,) = letters.letters([lie(TOPICS.calls, b"k", SETUP | {"identity": "x" * 200_000})])
    assert letter.operator == "op-a"


def test_a_wrong_key_is_put_right_and_said():
    plan = planned(lie(TOPICS.calls, b"k", SETUP))
    assert (plan.verdict, plan.key, plan.rekeyed) == ("ready", b"+77011234567", True)
    plan = planned(lie(TOPICS.calls, b"+77011234567", SETUP))
    assert (plan.verdict, plan.rekeyed) == ("ready", False)


def test_a_trunk_with_a_range_that_can_never_match_is_not_sent_again():
    trunk = {"operator": "op-a", "trunk": "t", "ranges": ["8 727"]}
    assert planned(lie(TOPICS.trunks, b"op-a/t", trunk)).verdict == "ready"
    plan = planned(lie(TOPICS.trunks, b"op-a/t", trunk | {"ranges": ["727"]}))
    assert plan.verdict == "refused again"
    assert "range '727'" in plan.why


@pytest.mark.parametrize("value", [b"{broken", {"type": "setup"}, None])
def test_what_is_still_broken_is_not_sent(value):
    assert planned(lie(TOPICS.calls, b"k", value)).verdict == "refused again"


def test_a_letter_that_came_back_is_sent_on_asking_alone():
    record = lie(TOPICS.calls, b"k", SETUP, headers=[(letters.REPLAYED, b"2"), ("rekeyed", b"1")])
    assert planned(record).verdict == "went round"
    plan = planned(record, again=True)
    assert plan.verdict == "ready"
    headers = dict(letters.headers_again(plan.letter, "me"))
    assert headers[letters.REPLAYED] == b"3"
    assert headers["rekeyed"] == b"1"
    assert headers[letters.FROM] == b"calls.v1.dlq/0/0"
    assert "error.reason" not in headers


def test_one_that_was_sent_is_not_sent_twice():
    note = LogRecord(dead_letter(TOPICS.calls), 0, 1, 6_000, b"k", None, ((letters.NOTED, b"0"),))
    record = lie(TOPICS.calls, b"k", SETUP)
    assert planned(record, more=[note]).verdict == "sent before"
    assert planned(record, more=[note], again=True).verdict == "ready"


def test_a_letter_of_a_record_with_very_many_headers_is_no_note():
    given = [*((f"h{number}", b"") for number in range(MOST - 1)), (letters.NOTED, b"0")]
    record = lie(TOPICS.calls, b"k", None, given, offset=1)
    read = record._replace(headers=tuple(headers_of(Message(topic=record.topic, headers=list(record.headers)))))
    (letter,) = letters.letters([read])
    assert (letter.reason, letter.topic, letter.offset) == ("why", TOPICS.calls, 17)


def test_a_letter_that_is_not_whole_is_told_and_never_sent():
    value = orjson.dumps(SETUP | {"user_agent": "x" * MAX_MESSAGE_BYTES})
    for key, came, headers, told in (
        (b"k", value, (), f"8,387,4.. of the {len(value):,} bytes of its value kept"),
        (b"k" * MAX_MESSAGE_BYTES, b"{}", (), "8,387,4.. of the 8,388,608 bytes of its key kept"),
        (b"k", orjson.dumps(SETUP), [("a", b"b" * MAX_MESSAGE_BYTES)] * 3, "3 of its headers left out"),
    ):
        letter = buried("too_large", "m", (TOPICS.calls, 2, 17), key, came, headers)
        record = LogRecord(letter.topic, 0, 0, 5_000, letter.key, letter.value, tuple(letter.headers))
        for again in (False, True):
            plan = planned(record, again=again)
            assert plan.verdict == "truncated"
            assert re.fullmatch(f"it is not the record that came: {told}", plan.why)
        shown = letters.as_json(plan.letter)["truncated"]
        assert shown in ({"value": len(value)}, {"key": len(key)}, {"headers": 3})
    assert letters.as_json(planned(lie(TOPICS.calls, b"k", SETUP)).letter)["truncated"] == {}


def test_a_newer_record_under_the_key_is_not_overwritten():
    entry = {"list": "block", "match": "exact", "number": "+77011234567", "side": "caller"}
    record = lie(TOPICS.lists, b"k", entry)
    later = LogRecord(TOPICS.lists, 2, 18, 5_500, b"k", None, ())
    assert planned(record, [later]).verdict == "superseded"
    assert planned(record, [later._replace(offset=17)]).verdict == "ready"
    assert planned(record, [later._replace(partition=3)]).verdict == "superseded"


def test_what_was_removed_is_not_put_back_once_its_tombstone_is_gone():
    record = lie(TOPICS.lists, b"k", {"list": "block", "match": "exact", "number": "+77011234567", "side": "caller"})
    itself = LogRecord(TOPICS.lists, 2, 17, 5_000, b"k", b"{}", ())
    gone = planned(record, lasting={TOPICS.lists})
    assert (gone.verdict, "removed since" in gone.why) == ("superseded", True)
    assert planned(record, [itself], lasting={TOPICS.lists}).verdict == "ready"
    assert planned(lie(TOPICS.lists, b"k", None), lasting={TOPICS.lists}).verdict == "ready", "no tombstone lasts"
    fact = {"number": "87011234567", "at": 1_000, "fact": "sim", "value": "changed", "operator": "op-a"}
    assert planned(lie(TOPICS.sim, b"87011234567", fact), lasting={TOPICS.sim}).verdict == "ready", "under another key"


def test_a_misplaced_fact_never_takes_the_place_of_one_where_it_belongs():
    """It is buried whenever its partition is read anew: by then what is there may be newer, and was appended before."""
    fact = {"number": "+77011234567", "at": 1, "fact": "line", "value": "active", "operator": "op-a"}
    letter = lie(TOPICS.line, b"+77011234567", fact)
    misplaced = letter._replace(headers=(("error.reason", b"misplaced"), *letter.headers[1:]))
    there = LogRecord(TOPICS.line, 3, 9, 4_000, b"+77011234567", None, ())
    assert planned(letter, [there]).verdict == "ready"
    assert planned(misplaced, [there]).verdict == "superseded"
    assert planned(misplaced, [there._replace(partition=2, offset=17)]).verdict == "ready", "it is the record itself"


def test_an_older_letter_that_was_sent_before_it_is_no_newer_record():
    entry = {"list": "block", "match": "exact", "number": "+77011234567", "side": "caller"}
    first, second = (lie(TOPICS.lists, b"k", entry, offset=offset) for offset in (3, 4))
    (one,) = letters.letters([first])
    resent = LogRecord(TOPICS.lists, 2, 18, 5_500, b"k", None, letters.headers_again(one, "me"))
    assert planned(second, [resent]).verdict == "ready"
    assert planned(first, [resent]).verdict == "superseded"
    for came in (b"lists.v1.dlq/1/3", b"lists.v1.dlq/0/x", b"policy.v1.dlq/0/3", b"3", None):
        assert planned(second, [resent._replace(headers=((letters.FROM, came),))]).verdict == "superseded"


def test_a_note_of_what_does_not_lie_before_it_is_passed_over():
    record = lie(TOPICS.calls, b"k", SETUP, offset=5)
    for claimed in (b"5", b"7", b"9" * 19, b"x"):
        note = LogRecord(dead_letter(TOPICS.calls), 0, 5, 6_000, b"k", None, ((letters.NOTED, claimed),))
        assert list(letters.letters([note])) == []
        assert planned(record, more=[note]).verdict == "ready"


def test_facts_lie_under_their_number_and_demotions_under_their_own_key():
    fact = {"number": "8 701 123 45 67", "at": 1, "fact": "location", "value": "home", "operator": "op-a"}
    assert planned(lie(TOPICS.location, b"x", fact)).key == b"+77011234567"
    assert planned(lie(TOPICS.location, b"8 701 123 45 67", None)).key == b"+77011234567"
    assert planned(lie(TOPICS.line, b"x", fact)).verdict == "refused again"
    demotion = {"detector": "robocall", "operator": "op-a"}
    assert planned(lie(TOPICS.policy, b"demotion/x", demotion)).key == b"demotion/robocall/op-a"
    assert (
        planned(lie(TOPICS.policy, b"policy@1", {"version": "1", "detectors": {"none": {}}})).verdict == "refused again"
    )
    assert planned(lie(TOPICS.lists, b"k", None)).verdict == "ready"


@pytest.mark.parametrize("claimed", [b"0", b"9" * 5_000])
@pytest.mark.parametrize("value", [b"{broken", None])
def test_who_publishes_cannot_hide_a_letter_by_a_notes_header_nor_break_the_reading(claimed, value):
    """The headers of a record come with its letter, and may claim anything."""
    claims = [(letters.NOTED, claimed), (letters.REPLAYED, b"9" * 5_000)]
    forged = lie(TOPICS.calls, b"k", value, claims, offset=1)
    real = lie(TOPICS.calls, b"k", SETUP)
    assert [one.record.offset for one in letters.letters([real, forged])] == [0, 1]
