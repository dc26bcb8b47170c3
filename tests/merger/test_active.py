"""A merger's turn at the lease, in this process and on a real broker: what it reads back, and what it says nothing of."""

import threading
import time
from contextlib import contextmanager

import pytest

from streamer.calls.codec import encode
from streamer.calls.signals import LASTS_MS, Signal, SwappedSim
from streamer.kafka import clients, logs
from streamer.kafka.topics import Topics, dead_letter
from streamer.merger import active
from streamer.merger.active import ActiveMerger
from streamer.merger.metrics import MergerMetrics
from streamer.merger.process import MergerProcess
from tests.merger.test_process import LINE, busy, on_file, signals
from tests.signals.test_merger import call, sums
from tests.stream.live import wait_until

pytestmark = pytest.mark.broker

OTHER = "+77017654321"


@contextmanager
def merging(settings, *, ready=True):
    merger = ActiveMerger(settings, MergerMetrics(), lambda: True)
    try:
        while ready and not merger.ready:
            merger.step()
        yield merger
        merger.finish()
    finally:
        merger.close()


@pytest.fixture
def no_minutes(monkeypatch):
    """Whatever lies before what was said of is too old for windows."""
    monkeypatch.setattr(active, "LOOKED_BACK_MS", -60_000)


def put(settings, *messages, topic=None):
    client = clients.producer(settings)
    for message in messages:
        client.produce(
            topic or Topics(settings).counts,
            message if isinstance(message, bytes) else encode(message),
            "k",
            partition=0,
        )
    assert not client.flush(10)


def swap(number, at=None):
    now = at or int(time.time() * 1000)
    return SwappedSim(at=now, operator="op-a", line=OTHER, callee="+77272580000", call_id=f"s{number}", age_h=2)


def told(merger, settings, attempts):
    """Step until a line is told of as it was."""

    def there():
        merger.step()
        signal = signals(settings).get(f"line/{LINE}")
        return signal is not None and signal.values["attempts_24h"] == attempts

    wait_until(there)


def test_a_case_that_could_not_be_written_is_filed_by_whoever_takes_over(kafka_settings, no_minutes, monkeypatch):
    now = int(time.time() * 1000)
    with merging(kafka_settings) as first:
        monkeypatch.setattr(first, "_file", lambda cases: None)  # signals get through, cases do not
        put(kafka_settings, swap(1))
        busy(kafka_settings, 1, now)
        told(first, kafka_settings, 21)
    assert on_file(kafka_settings) == []
    with merging(kafka_settings) as second:
        second.step()
    (case,) = on_file(kafka_settings)
    assert (case.subject, case.evidence) == (f"sim/{OTHER}", ["s1"])
    with merging(kafka_settings) as third:
        third.step()
    assert len(on_file(kafka_settings)) == 1


def test_what_lies_far_back_is_left_out_where_it_takes_too_long(kafka_settings, no_minutes, monkeypatch, caplog):
    now = int(time.time() * 1000)
    calls = [sums(0, now + number, [call(int(LINE[1:]), 0, 0)]) for number in range(300)]
    with merging(kafka_settings) as first:
        busy(kafka_settings, 0, now - 7_200_000)
        told(first, kafka_settings, 20)
        put(kafka_settings, *calls)
        busy(kafka_settings, 1, now)
        told(first, kafka_settings, 21)
        assert first.merger.lines.alone(LINE)[0].incoming == 300
    with merging(kafka_settings) as second:
        (watched,) = second.merger.lines.alone(LINE)
        assert (watched.incoming, watched.watched_ms) == (300, 7_200_000)
        assert second.merger.total("callee", LINE, "attempts") == 0
    # Another line calls, so that calls to the first one after what was told of it are read by nobody.
    with merging(kafka_settings) as third:
        put(kafka_settings, *(sums(0, now + 1_000 + number, [call(int(LINE[1:]), 0, 0)]) for number in range(300)))
        put(kafka_settings, sums(1, now + 2_000, [call(0, 44740012, 0, 50)]))
        wait_until(lambda: third.step() or "block/+44740012" in signals(kafka_settings))
    monkeypatch.setattr(active, "_BACK_S", 0.0)
    with merging(kafka_settings) as fourth:
        fourth.step()
        (watched,) = fourth.merger.lines.alone(LINE)
        assert "are left out" in caplog.text
        assert watched.incoming < 600
        busy(kafka_settings, 2, int(time.time() * 1000))
        told(fourth, kafka_settings, 22)


def test_what_could_not_be_read_is_buried_once_whoever_takes_over(kafka_settings, no_minutes):
    with merging(kafka_settings) as first:
        put(kafka_settings, b"{}")
        busy(kafka_settings, 1, int(time.time() * 1000))
        told(first, kafka_settings, 21)
    with merging(kafka_settings):
        pass
    assert len([*logs.read(kafka_settings, dead_letter(Topics(kafka_settings).counts))]) == 1


class Asleep:
    """A consumer that sleeps once before it gives what came."""

    def __init__(self, consumer, seconds):
        self._consumer, self._seconds = consumer, seconds

    def consume(self, *given, **more):
        time.sleep(self._seconds)
        self._seconds = 0
        return self._consumer.consume(*given, **more)

    def __getattr__(self, name):
        return getattr(self._consumer, name)


def test_a_merger_that_slept_through_its_session_says_nothing_in_that_step(brief_sessions, monkeypatch):
    with merging(brief_sessions) as merger:
        busy(brief_sessions, 1, int(time.time() * 1000))
        monkeypatch.setattr(merger, "_reader", Asleep(merger._reader, brief_sessions.session_timeout_ms / 1000 + 0.2))
        sent = []
        monkeypatch.setattr(merger, "_send", lambda *given: sent.append(given))
        while LINE not in merger.merger.lines._held:
            merger.step()
            assert sent == []
        merger.step()
        assert [key for _, key, _ in sent] == [f"line/{LINE}"]


def test_what_a_sleeper_said_late_is_not_taken_for_the_newest(kafka_settings):
    now = int(time.time() * 1000)
    spoken = [
        Signal(
            kind="callee", subject=LINE, at=at, until=at + LASTS_MS, values={"usual": usual}, position=at - now + 9_000
        )
        for at, usual in ((now - 2_000, 30), (now - 1_000, 31), (now - 5_000, 3), (now + 10**8, 4))
    ]
    put(kafka_settings, *spoken, topic=Topics(kafka_settings).signals)
    client = clients.producer(kafka_settings)
    for signal in spoken:
        client.produce(Topics(kafka_settings).signals, encode(signal), signal.key, partition=0)
    assert not client.flush(10)
    with merging(kafka_settings, ready=False) as merger:
        assert merger.merger._said[f"callee/{LINE}"].values == {"usual": 31}
        assert merger.merger._said[f"callee/{LINE}"].at == now - 1_000


def test_whoever_stands_by_is_not_behind_and_holds_nothing(kafka_settings):
    merger = MergerProcess(kafka_settings)
    value = merger.metrics.registry.get_sample_value

    def held():
        return value("streamer_signals_subjects", {"kind": "callee"}) or 0

    thread = threading.Thread(target=merger.run)
    thread.start()
    try:
        wait_until(lambda: merger.work is not None and not merger.unready())
        put(kafka_settings, sums(0, int(time.time() * 1000), [call()]))
        wait_until(lambda: held() > 0)
        merger.metrics.lag.set(5_000)
    finally:
        merger.stop()
        thread.join(30)
    assert (value("streamer_signals_active"), value("streamer_signals_lag"), held()) == (0, 0, 0)
