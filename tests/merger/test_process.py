"""The merger as a process on a real broker: a flood seen by no partition alone, take-overs, and what cannot be read."""

import itertools
import signal as signals_of_unix
import socket
import time

import msgspec
import orjson
import pytest

from streamer.calls.codec import decode_case, decode_signal, encode
from streamer.calls.signals import BusyLine
from streamer.kafka import clients, logs
from streamer.kafka.topics import Topics, dead_letter
from tests.signals.test_merger import call, sums
from tests.signals.test_newcomers import line as new_line
from tests.stream.live import Calls, Worker, read, setup, wait_until
from tests.stream.mixed import control

pytestmark = pytest.mark.broker

VICTIM = "+77272345678"
LINE = "+77012345678"
RANGE = "range/+7701990"
POLICY = {"version": "s", "detectors": {"tdos": {"thresholds": {"watched_h": 0}}}}


def merger(settings, **more):
    found = Worker(settings, command="signals", **more)
    found.says("metrics on port")
    return found


def signals(settings):
    """The last record of each key."""
    return {
        record.key_text: record.value and decode_signal(record.value)
        for record in logs.read(settings, Topics(settings).signals)
    }


def told(settings, key, says, seconds=60):
    """Wait until a signal says something."""

    def there():
        signal = signals(settings).get(key)
        return signal is not None and says(signal)

    wait_until(there, seconds, lambda: str(signals(settings)), each_s=0.2)
    return signals(settings)[key]


def flood(calls, begin, count, each_s=0.01):
    """Calls of as many different foreign numbers to one."""
    found = []
    for number in range(begin, begin + count):
        call = setup(f"f{number}", f"+44740{number * 7919 % 10**7:07d}", callee=VICTIM, ingress="international")
        calls.publish(call)
        found.append(call["call_id"])
        time.sleep(each_s)
    return found


def test_a_flood_that_no_partition_sees_alone_is_blocked_everywhere(kafka_settings):
    control(kafka_settings, Topics(kafka_settings).policy, "policy@s", POLICY)
    control(kafka_settings, Topics(kafka_settings).policy, "current", {"version": "s"})
    calls = Calls(kafka_settings)
    with Worker(kafka_settings) as worker, merger(kafka_settings) as merging:
        worker.says("partitions gained")
        merging.says("active")
        published = itertools.count(0, 20)
        seen = []
        while not any(d["reasons"] == ["tdos.flood"] for c in seen[-20:] for d, _ in calls.decided[c]):
            seen += flood(calls, next(published), 20)
            assert not calls.until(seen)
            assert len(seen) < 2_000
        blocked = [c for c in seen if calls.decided[c][0][0]["action"] == "block"]
        assert len(blocked) < len(seen) - 40  # not before there were so many
        own = setup("own", "+77011234567", callee=VICTIM, ingress="subscriber")
        calls.publish(own)
        assert not calls.until({"own"})
        assert calls.decided["own"][0][0]["reasons"] == ["tdos.flood_known_caller"]
        evidence = [orjson.loads(r.value()) for r in read(kafka_settings, Topics(kafka_settings).evidence, 4, 5, 10**5)]
        why = [e for e in evidence if e["decision"]["reasons"] == ["tdos.flood"]]
        assert why
        assert all(e["features"]["callee_callers_1m"] >= 40 for e in why)
        assert worker.stop() == 0
        assert merging.stop() == 0


def busy(settings, number, at):
    line = BusyLine(
        at=at, operator="op-a", line=LINE, call_id=f"b{number}", attempts=20 + number, distinct=20, answered=3
    )
    client = clients.producer(settings)
    client.produce(Topics(settings).counts, encode(line), LINE, partition=0)
    assert not client.flush(10)


def test_whoever_takes_over_counts_every_call_once(brief_sessions):
    """A merger is killed, another frozen beyond its session, and one leaves in order, while a line is called all the while."""
    calls, number = Calls(brief_sessions), 0
    with Worker(brief_sessions) as worker:
        worker.says("partitions gained")
        mergers = [merger(brief_sessions) for _ in range(2)]
        try:
            busy(brief_sessions, 0, int(time.time() * 1000))
            for turn, how in enumerate(("kill", "freeze", "leave", "end")):
                for _ in range(150):
                    calls.publish(setup(f"c{number}", f"+4474{number:07d}", callee=LINE, ingress="international"))
                    number += 1
                    time.sleep(0.005)
                time.sleep(1.2)
                for _ in range(60):  # of every partition, so that what was counted leaves
                    calls.publish(setup(f"x{turn}.{_}", f"+4475{turn}{_:06d}", ingress="international"))
                time.sleep(0.5)
                busy(brief_sessions, turn + 1, int(time.time() * 1000))
                key = f"line/{LINE}"
                signal = told(brief_sessions, key, lambda found, n=number: found.values["incoming"] >= n)
                assert signal.values["incoming"] == number, signal
                active = next((each for each in mergers if " active: " in each.log), None)
                if how == "kill":
                    active.kill()
                elif how == "freeze":
                    active.send(signals_of_unix.SIGSTOP)
                    time.sleep(2 * brief_sessions.session_timeout_ms / 1000)
                    active.send(signals_of_unix.SIGCONT)
                elif how == "leave":
                    assert active.stop() == 0
                if how in ("kill", "leave"):
                    mergers.remove(active)
                    mergers.append(merger(brief_sessions))
            assert not calls.until({f"c{n}" for n in range(number)})
        finally:
            for each in mergers:
                each.kill()
        assert worker.stop() == 0


def on_file(settings):
    """Every record of `cases.v1`."""
    return [decode_case(record.value) for record in logs.read(settings, Topics(settings).cases)]


def test_a_sim_box_is_put_on_file_once_whoever_merges(kafka_settings):
    now = int(time.time() * 1000)
    client = clients.producer(kafka_settings)

    def tell(attempts, at=now):
        for number in range(6):
            line = BusyLine(
                at=at + attempts, operator="op-a", line=f"+7701000000{number}", call_id=f"c{number}", imsi=f"4010{number}",
                attempts=attempts, distinct=attempts, answered=3, imei="350000000000001", cell="401-01-1",
            )  # fmt: skip
            client.produce(Topics(kafka_settings).counts, encode(line), line.line, partition=0)
        assert not client.flush(10)

    def opened():
        return [case for case in on_file(kafka_settings) if case.subject == "imei/350000000000001"]

    with merger(kafka_settings) as first:
        tell(20, now - 7_200_000)
        wait_until(opened, each_s=0.2)
        first.kill()
    with merger(kafka_settings) as second:
        second.says("active: ")
        tell(25)
        told(kafka_settings, "line/+77010000005", lambda signal: signal.values["attempts_24h"] == 25)
        tell(30)
        told(kafka_settings, "line/+77010000005", lambda signal: signal.values["attempts_24h"] == 30)
        first_of, case = (
            opened()
        )  # a stronger measure, since it was watched for long enough; and nothing else was material
        assert [(each.case, each.measure) for each in (first_of, case)] == [
            (case.case, "watch"),
            (case.case, "bar_sim"),
        ]
        closed = msgspec.structs.replace(
            case, status="closed", by="ann", why="a taxi gateway", changed_at=now + 1, revision=1
        )
        client.produce(Topics(kafka_settings).cases, encode(closed), closed.case, partition=0)
        assert not client.flush(10)
        time.sleep(1)
        tell(60)
        told(kafka_settings, "line/+77010000005", lambda signal: signal.values["attempts_24h"] == 60)
        wait_until(lambda: len(opened()) >= 4, each_s=0.2)
        assert second.stop() == 0
    assert {each.case for each in opened()} == {case.case}
    assert [each.status for each in opened()] == ["open", "open", "closed", "closed"]


def test_a_port_that_is_taken_is_told_with_the_setting_that_names_it(kafka_settings):
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        held.listen()
        taken = str(held.getsockname()[1])
        with Worker(kafka_settings, command="signals", STREAMER_SIGNALS_METRICS_PORT=taken) as refused:
            refused.says("set signals_metrics_port or metrics_host")
            assert refused.ended(20) == 1


def test_a_change_of_the_policy_reaches_a_merger_that_runs(kafka_settings):
    policy = Topics(kafka_settings).policy
    client = clients.producer(kafka_settings)
    now = int(time.time() * 1000)

    def tell(imei, attempts):
        for number in range(3):
            line = BusyLine(
                at=now + attempts, operator="op-a", line=f"+7701{imei}00000{number}", call_id=f"c{imei}{number}", attempts=attempts,
                distinct=attempts, answered=3, imei=imei, cell=f"cell-{imei}",
            )  # fmt: skip
            client.produce(Topics(kafka_settings).counts, encode(line), line.line, partition=0)
        assert not client.flush(10)
        told(kafka_settings, f"line/+7701{imei}000002", lambda signal: signal.values["attempts_24h"] == attempts)

    def opened(imei):
        return [case for case in on_file(kafka_settings) if case.subject == f"imei/{imei}"]

    def put_in_force(version, **more):
        control(kafka_settings, policy, f"policy@{version}", {"version": version, **more})
        control(kafka_settings, policy, "current", {"version": version})

    def tell_new(number):
        messages = [sums(0, now + 1_000 * number, [call(0, 0, 0)]), new_line(number, now, now - 60_000, 5)]
        for message in messages:
            client.produce(Topics(kafka_settings).counts, encode(message), "new", partition=0)
        assert not client.flush(10)

    with merger(kafka_settings) as merging:
        merging.says("active: ")
        tell_new(0)
        tell("111", 60)
        assert RANGE not in signals(kafka_settings)
        few = {"range_lines": 2, "range_line_calls": 5}
        put_in_force("few", counting=few, cases={"imei_sim_box_watch": {"thresholds": {"sims": 3}}})
        merging.says("goes by version few")
        tell_new(1)
        told(kafka_settings, RANGE, lambda signal: signal.values["lines_1h"] == 2)
        tell("222", 60)
        wait_until(lambda: opened("222"), each_s=0.2)
        (case,) = opened("222")
        assert (case.measure, case.policy, case.grounds[0].least) == ("watch", "few", 3)
        put_in_force("wrong", cases={"imei_sim_box": {}})
        put_in_force("none", cases={"imei_sim_box_watch": {"opens": False}})
        merging.says("goes by version none")
        assert "policy.v1[0]" in merging.log
        assert "no rule of cases is called 'imei_sim_box'" in merging.log
        tell("333", 60)
        assert merging.stop() == 0
    assert [case.subject for case in on_file(kafka_settings)] == ["imei/222"]
    put_in_force("few", cases={"imei_sim_box_watch": {"thresholds": {"sims": 3}}})
    with merger(kafka_settings) as merging:  # whoever takes over goes by it from the beginning
        merging.says("active: ")
        tell("444", 60)
        wait_until(lambda: opened("444"), each_s=0.2)
        assert merging.stop() == 0


def test_a_swapped_sim_that_calls_a_bank_is_a_case_once_whoever_merges(kafka_settings):
    topics, bank, other_bank, line = Topics(kafka_settings), "+77272580000", "+77272590000", "+77017654321"
    now = int(time.time() * 1000)
    for number in (bank, other_bank):
        entry = {"list": "protected", "match": "exact", "number": number, "side": "called"}
        control(kafka_settings, topics.lists, number, entry)
    fact = {"number": line, "at": now - 3_600_000, "fact": "sim", "value": "changed", "operator": "op-a"}
    client = clients.producer(kafka_settings)
    client.produce(topics.sim, orjson.dumps(fact), line)
    assert not client.flush(10)
    calls = Calls(kafka_settings)

    def call(name, callee=bank):
        calls.publish(setup(name, line, callee=callee, ingress="subscriber"))
        assert not calls.until({name})
        return calls.decided[name][0][0]["reasons"]

    with Worker(kafka_settings) as worker:
        worker.says("partitions gained")
        with merger(kafka_settings) as merging:
            merging.says("active: ")
            assert call("other", "+77272345678") == []
            assert call("s1") == ["sim_swap.new_sim_calls_bank"]
            wait_until(lambda: on_file(kafka_settings), each_s=0.2)
            merging.kill()
        with merger(kafka_settings) as merging:  # hears of that call again
            merging.says("active: ")
            assert call("s2", other_bank) == ["sim_swap.new_sim_calls_bank"]
            wait_until(lambda: on_file(kafka_settings)[-1].called == [bank, other_bank], each_s=0.2)
            case, changed = on_file(kafka_settings)  # by s2, and not once more by s1
            assert changed.evidence == ["s1", "s2"]
            assert (case.subject, case.kind, case.measure, case.called) == (
                f"sim/{line}",
                "sim_swap",
                "alert_bank",
                [bank],
            )
            assert case.evidence == ["s1"]
            assert case.grounds[0].observed == pytest.approx(1, abs=0.1)
            assert merging.stop() == 0
        assert len(on_file(kafka_settings)) == 2
        assert worker.stop() == 0


def test_what_cannot_be_read_is_a_dead_letter_and_the_rest_goes_on(kafka_settings):
    topics = Topics(kafka_settings)
    client = clients.producer(kafka_settings)
    bad = [b"\xff", b"{}", b'{"type":"sums","partition":1,"number":5,"places":"?","counts":""}', None]
    with merger(kafka_settings) as merging:
        merging.says("active")
        for value in bad:
            client.produce(topics.counts, value, "k", partition=0)
        assert not client.flush(10)
        busy(kafka_settings, 0, int(time.time() * 1000))
        told(kafka_settings, f"line/{LINE}", lambda found: True)
        letters = read(kafka_settings, dead_letter(topics.counts), 1, wanted=len(bad))
        assert [letter.value() for letter in letters] == bad
        reasons = [dict(letter.headers())["error.reason"] for letter in letters]
        assert reasons == [b"not_json", b"missing_field", b"wrong_type", b"not_json"]
        assert merging.stop() == 0
