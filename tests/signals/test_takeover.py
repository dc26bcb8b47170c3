"""Whoever takes over after hours: calls to lines and what is usual are as if nobody had stopped, or the hole is not watched."""

import msgspec
import pytest

from streamer.calls.signals import SwappedSim
from streamer.signals import subjects
from streamer.signals.hot import of_lines
from streamer.signals.merger import LOOKED_BACK_MS
from tests.signals.test_merger import NOW, VICTIM, call, line, merger, said, sums

MINUTE, HOUR = 60_000, 3_600_000
LINE = 77010000000
HOTLINE, BUSY = 77272000001, 77272000002


class Log:
    """Counts as they lie in the log, what was said of them, and mergers that take over from one another."""

    def __init__(self):
        self.messages = []
        self.last = {}
        self.merger = merger()

    def put(self, at, message, *, counted=True):
        self.messages.append((at, message))
        if counted:
            self.merger.take(len(self.messages) - 1, message, at)
            self.hear()

    def hear(self):
        self.last |= said(self.merger)
        return self.last

    def take_over(self, kept_ms=HOUR, left_out_ms=None):
        """By a merger that finds so much of the log; it may leave out what lies between this and the last minutes."""
        self.merger = other = merger()
        signals = [signal for signal in self.last.values() if signal is not None]
        for signal in signals:
            other.restore(msgspec.json.decode(msgspec.json.encode(signal), type=type(signal)))
        said_to, end = max(signal.position for signal in signals), self.messages[-1][0]
        recent = min(self.since(end - LOOKED_BACK_MS), said_to)
        begun = False
        for offset, (at, message) in enumerate(self.messages):
            left_out = left_out_ms is not None and at >= end - left_out_ms and offset < recent
            if at < end - kept_ms or left_out:
                begun = False
                continue
            if not begun:
                other.begin(offset, at, len(self.messages))
                begun = True
            other.take(offset, message, at, whole=offset >= recent)
        self.hear()

    def since(self, at):
        return next(offset for offset, (put, _) in enumerate(self.messages) if put >= at)

    def watched(self):
        (found,) = self.merger.lines.alone(f"+{LINE}")
        return found


def called_back(minutes, *, told_at=0, counted=True):
    """A line is called back once a minute for so long; another one calls all the while, so that of counts of now is said."""
    log = Log()
    for minute in range(minutes):
        at = NOW + minute * MINUTE
        if minute == told_at:
            log.put(at, line(0, at, 60))
        log.put(at, sums(0, at, [call(LINE, 0, 0)]), counted=counted)
        log.put(at, line(1, at, 20 + minute), counted=counted)
    return log


def test_a_line_that_was_told_of_within_the_hour_has_every_call():
    log = called_back(120, told_at=70)
    before = log.watched()
    log.take_over()
    assert log.watched() == before
    assert before.incoming == 50


def test_a_line_that_was_told_of_is_told_again_only_if_it_called_lately():
    log = called_back(120, told_at=70)
    log.take_over()
    held = log.merger
    held.take(500, log.messages[140][1], whole=False)
    assert said(held) == {}
    held.take(501, msgspec.structs.replace(log.messages[140][1], at=NOW + 71 * MINUTE), whole=False)
    assert list(said(held)) == [f"line/+{LINE}"]


@pytest.mark.parametrize(("kept", "left_out"), [(60, None), (60, 30), (20, None), (1, None)])
def test_a_line_was_not_watched_while_its_calls_were_not_counted(kept, left_out):
    """Calls a day, at the pace of the time that was watched, are the same; of nothing that was counted twice or not at all."""
    log = called_back(180)
    log.take_over(kept * MINUTE, None if left_out is None else left_out * MINUTE)
    for minute in range(180, 240):
        log.put(NOW + minute * MINUTE, sums(0, NOW + minute * MINUTE, [call(LINE, 0, 0)]))
    log.put(NOW + 4 * HOUR, line(0, NOW + 4 * HOUR, 65))
    watched = log.watched()
    left = 0 if left_out is None else left_out - LOOKED_BACK_MS // MINUTE
    assert watched.incoming == pytest.approx(60 + kept - left, abs=2)
    assert watched.watched_ms == pytest.approx((60 + kept - left) * MINUTE, abs=2 * MINUTE)
    assert log.hear()[f"line/+{LINE}"].values["incoming_24h"] == pytest.approx(24 * 60, rel=0.05)


def test_a_line_is_not_one_that_nobody_calls_after_a_takeover():
    log = called_back(180)
    log.take_over(MINUTE)
    figures = of_lines([log.watched()], HOUR)
    assert "incoming" not in figures


def test_a_line_of_a_log_that_was_made_anew_is_counted_from_there_on():
    log = called_back(180, told_at=100)
    log.messages.clear()
    log.put(NOW + 4 * HOUR, sums(0, NOW + 4 * HOUR, [call(LINE, 0, 0, 7)]), counted=False)
    log.take_over()
    log.put(NOW + 5 * HOUR, line(0, NOW + 5 * HOUR, 65))
    watched = log.watched()
    assert (watched.incoming, watched.watched_ms) == (7, HOUR)


def usual(held, number):
    table = held._merged.callees
    return subjects.usual_of(table, subjects.find(table, number), held.clock_ms)


def hotline(log, begin, seconds):
    """15 callers a minute on one number, and 30 on another, which stands out all the while."""
    for second in range(0, seconds, 2):
        at = begin + 1_000 * second
        rows = [call(BUSY, 1_000, 0)] + ([call(HOTLINE, 1_000, 0)] if second % 4 == 0 else [])
        log.put(at, sums(0, at, rows))
    return begin + 1_000 * seconds


def test_a_busy_minute_of_a_number_that_is_called_all_day_is_usual_after_a_takeover():
    log = Log()
    at = hotline(log, NOW, 3 * 3_600)
    before = [usual(log.merger, number) for number in (HOTLINE, BUSY)]
    log.take_over()
    assert [usual(log.merger, number) for number in (HOTLINE, BUSY)] == pytest.approx(before, rel=0.05)
    for second in range(0, 60, 2):
        now = at + 1_000 * second
        log.put(now, sums(0, now, [call(HOTLINE, 1_000, 0, 1 + second // 2 % 2)]))
    values = log.hear()[f"callee/+{HOTLINE}"].values
    assert values["callers_1m"] >= 40
    assert values["callers_1m"] < 5 * values["usual"]


def test_what_was_said_to_be_usual_is_so_still_when_nothing_was_counted_for_hours():
    log = Log()
    at = hotline(log, NOW, 3_600) + 3 * HOUR
    log.put(at, sums(0, at, [call(BUSY, 1_000, 0)]), counted=False)
    log.take_over(0)
    assert usual(log.merger, BUSY) == pytest.approx(30, rel=0.05)


def test_what_is_usual_is_known_a_quarter_of_an_hour_after_the_first_start():
    log = Log()
    hotline(log, NOW, 900)
    assert log.last[f"callee/+{BUSY}"].values["usual"] == pytest.approx(30, rel=0.05)
    assert usual(log.merger, HOTLINE) == pytest.approx(15, rel=0.1)


def test_a_burst_at_the_first_start_is_not_taken_for_what_is_usual():
    log = Log()
    for second in range(20):
        log.put(NOW + 1_000 * second, sums(0, NOW + 1_000 * second, [call(count=2)]))
    assert log.merger.total("trunk", "op-a/igw-1", "burst") == 40


def test_a_swapped_sim_that_no_window_holds_is_handed_on():
    held = merger()
    message = SwappedSim(at=NOW, operator="op-a", line="+77010000001", callee="7711", call_id="c1", age_h=2)
    held.begin(0, NOW, 2)
    held.take(0, message, NOW, whole=False)
    held.take(1, sums(0, NOW, [call(count=30)]), NOW, whole=False)
    held.take(2, sums(0, NOW + HOUR, [call(count=1)]), NOW + HOUR)
    assert [hot.calls for hot in held.subjects()] == [["c1"]]
    assert held.total("callee", f"+{VICTIM}", "callers") == 1
    assert not held.take(3, sums(0, NOW, [call()]), NOW + HOUR), "it came before"
