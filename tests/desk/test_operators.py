"""One operator's mode and kill switch, as the log leaves them."""

import pytest

from streamer.desk import operators
from streamer.desk.record import signed
from streamer.errors import DeskError
from streamer.kafka.logs import LogRecord


def record(value, *headers, key=b"op-a", offset=0):
    return LogRecord("operators", 0, offset, 7, key, value, headers)


def standing(value, *headers):
    return operators.registered([record(value, *headers)])["op-a"]


def test_who_set_the_mode_and_what_it_was_before_is_read_back():
    one = standing(b'{"operator":"op-a","mode":"shadow"}', *signed("an", "why"), (operators.KILL_SWITCH, b"enforce"))
    assert (one.mode, one.before, one.by, one.why, one.at_ms) == ("shadow", "enforce", "an", "why", 7)


def test_what_workers_refuse_changes_nothing_and_a_tombstone_removes():
    good, broken = record(b'{"operator":"op-a","mode":"off"}'), record(b'{"operator":"op-a","mode":"of"}')
    assert operators.registered([good, broken])["op-a"].mode == "off"
    assert operators.registered([good, record(None)]) == {}


@pytest.mark.parametrize(
    ("mode", "before", "wanted", "after"),
    [
        ("enforce", None, True, ("shadow", "enforce")),
        ("shadow", b"enforce", True, ("shadow", "enforce")),
        ("shadow", b"enforce", False, ("enforce", None)),
        ("enforce", None, False, ("enforce", None)),
        ("shadow", None, True, ("shadow", None)),
        ("off", None, True, ("off", None)),
    ],
)
def test_the_kill_switch_lets_all_through_and_puts_back_what_was(mode, before, wanted, after):
    kept = () if before is None else ((operators.KILL_SWITCH, before),)
    one = standing(b'{"operator":"op-a","mode":"%s"}' % mode.encode(), *kept)
    assert operators.turned(one, wanted=wanted) == after


def test_an_operator_on_trial_is_not_put_in_force_by_turning_a_switch_off_that_was_never_on():
    with pytest.raises(DeskError, match="policy mode all op-a enforce"):
        operators.turned(standing(b'{"operator":"op-a","mode":"shadow"}'), wanted=False)


def test_members_that_nobody_looks_at_may_be_of_any_bytes_when_the_mode_is_set():
    value = operators.with_mode(b'{"operator":"op-a","\xff":1,"more":1e999}', "shadow")
    assert value == b'{"operator":"op-a","\xef\xbf\xbd":1,"more":1e999,"mode":"shadow"}'
