"""How a service beside a switch obeys verdicts: it publishes each set-up, waits for its verdict, and says what to do.

Standard input brings what the switch sees, one JSON object a line: set-ups, answers, ends. Standard output says what the
switch is to do with each call, one JSON object a line; see `obedience.py` for the rules.
"""

from __future__ import annotations

import argparse
import os
import select
import signal
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import orjson
from confluent_kafka import Consumer, KafkaException, TopicPartition
from obedience import Instruction, Obedience
from publisher import KAZAKHSTAN, Plan, Publisher, add_connection, client_config, now_ms

EXAMPLE = """example:
  echo '{"type":"setup","call_id":"c1","caller":"+77030000001","callee":"+77272345678","ingress":"international"}' |
    python examples/switch_consumer.py --bootstrap 127.0.0.1:9092 --operator op-a --home KZ
"""


class Verdicts:
    """Reads `decisions.v1` from now on, every partition, without a group: each such service sees every verdict."""

    def __init__(self, config: dict[str, str], prefix: str = "") -> None:
        self._topic = f"{prefix}decisions.v1"
        self._reader = Consumer(
            {
                "fetch.wait.max.ms": 50,  # how long an idle broker holds a question; a new record is answered at once
                **config,
                "group.id": "switch-consumer",  # the library asks for one; nothing is committed
                "enable.auto.commit": False,
                "auto.offset.reset": "latest",
            }
        )
        self.ready = False

    def connect(self, wait_s: float) -> bool:
        """Find the end of the log; False while the brokers do not answer, during which calls pass all the same."""
        try:
            listed = self._reader.list_topics(self._topic, timeout=wait_s).topics[self._topic]
            places = [TopicPartition(self._topic, number) for number in listed.partitions]
            for place in places:
                place.offset = self._reader.get_watermark_offsets(place, timeout=wait_s)[1]
        except KafkaException:
            return False
        if places:
            self._reader.assign(places)
            self.ready = True
            print("ready", file=sys.stderr, flush=True)
        return self.ready

    def read(self, wait_s: float) -> Iterator[dict[str, Any]]:
        """Verdicts that have come, in the order of the log (one call's are all in one partition)."""
        first = self._reader.poll(wait_s)
        if first is None:
            return
        for record in (first, *self._reader.consume(1_000, 0)):
            value = None if record.error() else record.value()
            if value is not None:
                yield orjson.loads(value)

    def close(self) -> None:
        """Let go of the connection."""
        self._reader.close()


class Events:
    """What the switch sees, as lines of standard input, without ever waiting for one."""

    def __init__(self) -> None:
        self._rest = b""
        self.ended = False

    def read(self) -> Iterator[Any]:
        """What has come, up to a buffer's worth: verdicts have their turn between."""
        if not self.ended and select.select([0], [], [], 0)[0]:
            got = os.read(0, 65_536)
            self.ended = not got
            *lines, self._rest = (self._rest + (got or b"\n")).split(b"\n")
            for line in filter(None, lines):
                try:
                    yield orjson.loads(line)
                except orjson.JSONDecodeError as error:
                    print(f"not understood: {error}: {line!r}", file=sys.stderr)


def main() -> int:
    """Obey verdicts until standard input ends and every call is told what to do, or until SIGTERM."""
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EXAMPLE, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_connection(parser)
    parser.add_argument("--timeout-ms", type=int, default=300, help="how long a call waits; not below your deadline_ms")
    parser.add_argument("--redress", metavar="URL", help="where rejected callers may complain")
    parser.add_argument("--linger-ms", type=int, default=0, help="go on reading for so long after standard input ended")
    parser.add_argument(
        "--emergency", metavar="NUMBERS", default="", help="numbers for help beside those of --home, parted by commas"
    )
    parser.add_argument(
        "--never-cached", type=Path, metavar="FILE",
        help="called numbers that no cached block stops: the called side of your lists allow and emergency; one a line, "
        "a prefix with a * behind it",
    )  # fmt: skip
    given = parser.parse_args()
    config, plan = client_config(given), plan_for(given)
    publisher, verdicts, events = Publisher(config, given.prefix, plan), Verdicts(config, given.prefix), Events()
    spared = given.never_cached.read_text("utf-8").split() if given.never_cached else ()
    obedience = Obedience(given.operator, given.timeout_ms, given.redress, plan, spared)
    stopping: list[bool] = []
    signal.signal(signal.SIGTERM, lambda *_: stopping.append(True))
    if not verdicts.connect(2.0):
        print("the brokers do not answer; calls pass until they do", file=sys.stderr)
    ends_ms = None
    while not stopping and (ends_ms is None or now_ms() < ends_ms):
        if not verdicts.ready:
            verdicts.connect(0.1)
        for event in events.read():
            try:
                publisher.publish(seen(event, obedience, given.operator))
            except KeyError as missing:
                print(f"not understood: no {missing} in {event}", file=sys.stderr)
            except (TypeError, ValueError, AttributeError) as error:
                print(f"not understood: {error}: {event}", file=sys.stderr)
        for decision in verdicts.read(0.005):
            tell(obedience.verdict(decision, now_ms()))
        for said in obedience.expire(now_ms()):
            tell(said)
        if events.ended and ends_ms is None and not obedience.waits():
            ends_ms = now_ms() + given.linger_ms
    publisher.flush(5)
    verdicts.close()
    print(orjson.dumps(dict(obedience.counts)).decode(), file=sys.stderr)
    return 0


def plan_for(given: argparse.Namespace) -> Plan:
    """The numbering plan of the command line. Says so when no emergency numbers are known: nothing is then answered from the cache."""
    plan = given.home or KAZAKHSTAN
    plan = plan._replace(emergency=(*plan.emergency, *filter(None, given.emergency.split(","))))
    if not plan.emergency:
        print("no emergency numbers are known: no call is answered from the cache; give --home", file=sys.stderr)
    return plan


def seen(event: dict[str, Any], obedience: Obedience, operator: str) -> dict[str, Any]:
    """Take in what the switch saw, say at once what is known of it, and give what is to be published."""
    event = {"at": now_ms(), "operator": operator, **event}
    event["caller"] = event.get("caller") or ""  # so many a switch writes a withheld number
    if event["type"] == "setup":
        said = obedience.setup(event, now_ms())
        tell(said)
        if said is not None and said.why == "cache":
            event["cached"] = True
    elif event["type"] == "answer":
        obedience.answer(event["call_id"])
    else:
        obedience.end(event["call_id"])
    return event


def tell(said: Instruction | None) -> None:
    """An instruction to the switch, if there is one."""
    if said is not None:
        print(orjson.dumps(asdict(said)).decode(), flush=True)


if __name__ == "__main__":
    sys.exit(main())
