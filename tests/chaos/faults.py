"""The scenarios, by name. Each takes a field that is under load and the number of faults, and leaves it to be accounted."""

import os
import resource
import signal
import time

import orjson

from streamer.calls.codec import decode_signal, encode
from streamer.calls.signals import BusyLine
from streamer.kafka import clients
from streamer.kafka.topics import Topics
from tests.chaos.field import ready
from tests.stream import undisturbed
from tests.stream.live import Worker, setup, wait_until


def kills(field, broker, times):
    """kill -9 of workers at random instants."""
    for turn in range(times):
        field.wait(0.1, 4.0)
        field.kill()
        if turn % 7 == 0:
            field.change_lists(turn // 7)


def kills_while_restoring(field, broker, times):
    """kill -9 of a worker in the moments after it was given partitions."""
    for _ in range(times):
        newest = field.kill()
        newest.says("partitions gained")
        field.wait(0.0, 0.1)
        field.fault()
        field.workers.remove(newest)
        newest.kill()
        field.join()
        ready(field.workers[-1])


def kills_while_saving(field, broker, times):
    """kill -9 of a worker that saves one partition after the other without a pause."""
    for _ in range(times):
        ready(field.kill())
        field.wait(0.2, 2.0)


def joins_and_leaves(field, broker, times):
    """Workers come, and others leave in order."""
    for turn in range(times):
        ready(field.join())
        field.wait(0.1, 1.0)
        field.fault()
        assert field.pick().stop() == 0
        field.change_lists(turn)


def freezes(field, broker, times):
    """SIGSTOP of a worker for longer than its session."""
    for turn in range(times):
        field.wait(0.5, 2.0)
        field.change_lists(turn)
        victim = field.frozen(2.5 * field.settings.session_timeout_ms / 1000)
        gained = victim.log.count("partitions gained")
        victim.says("partitions gained", times=gained + 1)


def broker_killed(field, broker, times):
    """kill -9 of the broker, and its restart."""
    for _ in range(times):
        field.wait(1.0, 3.0)
        field.fault()
        os.kill(broker.status().pid, signal.SIGKILL)
        field.wait(0.5, 3.0)
        broker.start(dies_with_parent=True)
        field.settled()


def broker_away(field, broker, times):
    """The broker answers nobody for a minute."""
    for _ in range(times):
        field.wait(1.0, 2.0)
        field.fault()
        os.kill(broker.status().pid, signal.SIGSTOP)
        time.sleep(60)
        os.kill(broker.status().pid, signal.SIGCONT)
        field.settled()


def disk_full(field, broker, times):
    """The broker can write no file beyond a size that it has nearly reached, dies of it, and is started with room again."""
    for _ in range(times):
        field.wait(2.0, 3.0)
        pid = broker.status().pid
        largest = max(file.stat().st_size for file in broker.folder.rglob("*.log"))
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (largest + 200_000, largest + 200_000))
        end = time.monotonic() + 60
        while broker.status().running and time.monotonic() < end:
            time.sleep(0.1)
        if broker.status().running:
            os.kill(pid, signal.SIGKILL)
        field.fault()  # it died of it just now
        field.wait(1.0, 3.0)
        broker.start(dies_with_parent=True)
        field.settled()


def disk_slow(field, broker, times):
    """The broker stands still again and again, for up to half a second: so it looks when its disk is slow."""
    for _ in range(times):
        field.wait(0.05, 0.5)
        field.fault()
        os.kill(broker.status().pid, signal.SIGSTOP)
        field.wait(0.05, 0.5)
        os.kill(broker.status().pid, signal.SIGCONT)


def clocks_jump(field, broker, times):
    """The workers' wall clocks jump back and forth by up to an hour every second, and one of them is killed now and then."""
    for _ in range(times):
        field.wait(2.0, 5.0)
        field.kill()


def poison(field, broker, times):
    """What cannot be read, in every topic."""
    topics = field.calls.topics
    sender = clients.producer(field.settings)
    poisons = (
        b"",
        b"\x00\xff",
        b"{",
        b"[]",
        b'{"type":"setup"}',
        orjson.dumps({"version": None}),
        b"\xf0" * 60_000,
        None,
    )
    every = (*topics.read, topics.decisions, topics.state, topics.trainer)
    partitions = {spec.name: spec.partitions for spec in topics.specs}
    for _ in range(times):
        field.wait(0.2, 1.0)
        field.fault()
        for topic in every:
            for number in range(partitions[topic]):
                key = field.draw.choice(
                    [
                        b"current",
                        b"\xff",
                        b"policy@x",
                        b"+77010000001",
                        None if topic in (topics.decisions, topics.state) else b"k",
                    ]
                )
                headers = [
                    ("source.offset", field.draw.choice([b"x", b"-1", b"9" * 40, b"5"])),
                    ("rekeyed", b"1"),
                    ("buckets", b"\xff 99 -1"),
                ]
                sender.produce(topic, field.draw.choice(poisons), key, number, headers=headers)
        assert not sender.flush(30)
        ready(field.kill())


def mergers(field, broker, times):
    """kill -9, SIGSTOP for longer than its session and an orderly end of mergers in turn, and kill -9 of workers."""
    calls, number, begun = field.calls, 0, int(time.time() * 1000)
    held = [Worker(field.settings, command="signals") for _ in range(2)]
    try:
        for turn in range(times):
            told(field.settings, turn, begun)
            for _ in range(100):
                call = setup(f"m{number}", f"+4474{number:07d}", callee=LINE, ingress="international")
                field.load.published.add(call["call_id"])
                calls.publish(call)
                number += 1
                time.sleep(0.005)
            field.fault()
            victim = next((each for each in held if each.log.count(" active: ") > each.log.count("stands by")), held[0])
            if turn % 4 == 3:
                field.kill()
            elif turn % 4 == 2:
                victim.send(signal.SIGSTOP)
                time.sleep(2.5 * field.settings.session_timeout_ms / 1000)
                victim.send(signal.SIGCONT)
            else:
                held.remove(victim)
                if turn % 4:
                    # One that has not begun cannot be told to end in order.
                    wait_until(lambda asked=victim: " active: " in asked.log or "stands by" in asked.log)
                    assert victim.stop() == 0, victim.log
                else:
                    victim.kill()
                held.append(Worker(field.settings, command="signals"))
            field.wait(0.2, 1.0)
        counted, end = -1, time.monotonic() + 60
        while counted != number and time.monotonic() < end:
            times += 1
            told(field.settings, times, begun)
            time.sleep(1)
            counted = incoming(field.settings)
        if counted != number:
            field.wrong.append(f"of {number} calls to a line {counted} were merged")
    finally:
        for each in held:
            each.kill()


LINE = "+77012345678"


def told(settings, turn, begun):
    """What a scorer tells of a busy line; its next signal says how many calls to it were merged."""
    line = BusyLine(
        at=begun + turn, operator="op-a", line=LINE, call_id="m", attempts=20 + turn, distinct=20, answered=1
    )
    sender = clients.producer(settings)
    sender.produce(Topics(settings).counts, encode(line), LINE, partition=0)
    assert not sender.flush(30)


def incoming(settings):
    """Calls to the line, as the log has them last; -1 for none."""
    records = undisturbed.log(settings, Topics(settings).signals, 1)[0]
    found = [decode_signal(record.value()) for record in records if record.key() == f"line/{LINE}".encode()]
    return int(found[-1].values["incoming"]) if found else -1


SCENARIOS = {
    each.__name__: each
    for each in (
        kills, kills_while_restoring, kills_while_saving, joins_and_leaves, freezes, broker_killed, broker_away, disk_full,
        disk_slow, clocks_jump, poison, mergers,
    )
}  # fmt: skip
TIMES = {
    "kills": 50, "kills_while_restoring": 8, "kills_while_saving": 10, "joins_and_leaves": 8, "freezes": 5, "broker_killed": 3,
    "broker_away": 1, "disk_full": 1, "disk_slow": 40, "clocks_jump": 4, "poison": 4, "mergers": 12,
}  # fmt: skip
OPTIONS = {
    "kills": {"workers": 3},
    "kills_while_saving": {"STREAMER_CHECKPOINT_S": "0.2"},
    "clocks_jump": {"program": "tests.chaos.jumping"},
}
