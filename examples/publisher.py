"""How an operator publishes its calls: set-up, answer and end of each on `calls.v1`, keyed by who calls.

Nothing but confluent-kafka and orjson is needed; copy this folder and change what you like.
Four things matter, all of them in `Publisher`: the key is the calling number in one spelling, the partitioner is Kafka's
murmur2, the producer is idempotent, and `at` is the time of the event in milliseconds.
"""

from __future__ import annotations

import argparse
import re
import sys
import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import orjson
from confluent_kafka import KafkaException, Producer

EXAMPLE = """examples:
  one call, made up, from set-up to end:
    python examples/publisher.py --bootstrap 127.0.0.1:9092 --operator op-a --caller "8 701 123 45 67" --callee +77272345678
  events of your own, one JSON object a line, as `schemas/setup.v1.json`, `answer.v1.json` and `end.v1.json` say:
    python examples/publisher.py --config client.properties --home GB --events calls.jsonl
"""


class Plan(NamedTuple):
    """How numbers are dialled at home: country code, international prefixes, trunk prefix, lengths and first digits.

    `emergency` are the numbers for help. Whoever leaves them out has none: no country's are taken for another's.
    """

    code: str
    international: tuple[str, ...]
    trunk: str
    length: int
    lengths: tuple[int, ...]
    leading: tuple[str, ...]
    emergency: tuple[str, ...] = ()


KAZAKHSTAN = Plan("7", ("810", "00"), "8", 10, (10,), ("6", "7"))
"""How the detector reads numbers unless its setting `home` names another country."""
PLANS = Path(__file__).resolve().parent.parent / "schemas" / "caller-key-vectors.json"
"""Every country's plan, with vectors to test an implementation by."""
REPEATED = 255
"""Characters of a number that a verdict repeats as it came."""


def plan_of(home: str) -> Plan:
    """The plan of a country, ISO 3166-1 alpha-2, as it is published.

    >>> plan_of("GB").code, plan_of("GB").emergency
    ('44', ('112', '18000', '999'))
    """
    try:
        given = orjson.loads(PLANS.read_bytes())["plans"][home]
    except OSError as error:
        raise argparse.ArgumentTypeError(f"the plans are not to be read: {error}") from None
    except KeyError:
        raise argparse.ArgumentTypeError(f"no country {home!r} in {PLANS}; give an ISO 3166-1 alpha-2 code") from None
    return Plan._make(tuple(value) if isinstance(value := given[name], list) else value for name in Plan._fields)


def _user(number: str) -> tuple[str, str]:
    """The user part of a number or SIP URI, and what follows it; with a display name, what stands in the angle brackets is read."""
    text = number.strip()
    quoted = re.match(r'"(?:[^"\\]|\\.)*"', text, re.DOTALL)
    named = re.search("<([^>]*)>", text[quoted.end() :] if quoted else text)
    text = (named[1].strip() if named else text).lstrip("<")
    for scheme in ("sips:", "sip:", "tel:"):
        if text[:5].lower().startswith(scheme):
            text = text[len(scheme) :]
            break
    ends = min((at for mark in "@;" if (at := text.find(mark)) >= 0), default=len(text))
    return text[:ends], text[ends:]


def is_withheld(number: str) -> bool:
    """Whether the caller hides the number.

    >>> is_withheld("sip:anonymous@anonymous.invalid"), is_withheld("+77011234567")
    (True, False)
    """
    user, rest = _user(number)
    user = user.strip().rstrip(">").strip()
    host = rest[1:].strip() if rest.startswith("@") else ""
    ends = min((at for at, char in enumerate(host) if char in ";:>?" or char.isspace()), default=len(host))
    hidden = {"anonymous", "unavailable", "restricted", "unknown"}
    return user.lower() in hidden or host[:ends].lower() == "anonymous.invalid" or not (user or rest)


def normalised(number: str, plan: Plan = KAZAKHSTAN) -> str:
    """A number in its one spelling: `+` and digits, the digits of a short number, else as it came, trimmed.

    >>> [normalised(number) for number in ("8 (701) 123-45-67", "sip:+77011234567@op.kz", "00447400123456", "112")]
    ['+77011234567', '+77011234567', '+447400123456', '112']
    """
    as_it_came = number.strip()
    user = _user(number)[0]
    if user[:3].lower() == "%2b":
        user = "+" + user[3:]
    text = "".join(char for char in user if char not in "-./()[]{}<>" and not char.isspace())
    if text.startswith("+"):
        return text if _is_e164(text[1:]) else as_it_came
    if not (text.isascii() and text.isdigit()):
        return as_it_came
    abroad = next((prefix for prefix in plan.international if text.startswith(prefix)), None)
    if abroad is not None:
        if _is_e164(text[len(abroad) :]):
            return "+" + text[len(abroad) :]
    else:
        national = text[len(plan.trunk) :]
        at_home = plan.trunk and text.startswith(plan.trunk) and len(national) in plan.lengths
        if at_home and _is_e164(plan.code + national):
            return "+" + plan.code + national
        if len(text) == plan.length and text.startswith(plan.leading):
            return "+" + plan.code + text
        if len(text) >= 10 and _is_e164(text):
            return "+" + text
    return text if len(text) <= 9 else as_it_came


def repeated(number: str, plan: Plan = KAZAKHSTAN) -> str:
    """A calling or called number as its verdict has it: as it came, or, of more than 255 characters, in its one spelling and cut off there.

    >>> repeated("sip:+77011234567@op.kz"), repeated("sip:+77011234567;x=" + 300 * "a" + "@op.kz")
    ('sip:+77011234567@op.kz', '+77011234567')
    """
    if len(number) <= REPEATED:
        return number
    return normalised(number, plan)[:REPEATED] or number[:REPEATED]


def _is_e164(digits: str) -> bool:
    return digits.isascii() and digits.isdigit() and 7 <= len(digits) <= 15 and digits[0] != "0"


def caller_key(event: dict[str, Any], plan: Plan = KAZAKHSTAN) -> str:
    """The key of an event: who calls, so that one line's calls lie in one partition, in order.

    >>> caller_key({"caller": "anonymous", "callee": "87272345678"})
    'withheld:+77272345678'
    """
    for number in (event["caller"], event.get("asserted")):
        if number is not None and not is_withheld(number):
            return normalised(number, plan)
    return "withheld:" + normalised(event["callee"], plan)


class Publisher:
    """Publishes call events.

    Parameters
    ----------
    config
        librdkafka's settings: `bootstrap.servers` at least, and credentials.
    prefix
        Put before the topic's name.
    plan
        How numbers are dialled at home.
    """

    def __init__(self, config: dict[str, str], prefix: str = "", plan: Plan = KAZAKHSTAN) -> None:
        self._topic = f"{prefix}calls.v1"
        self._plan = plan
        self._producer = Producer(
            {
                # A set-up that has waited for brokers longer than any caller waits would only be decided late.
                "message.timeout.ms": 30_000,
                "linger.ms": 0,
                **config,
                "partitioner": "murmur2_random",  # librdkafka's own default, CRC32, finds other partitions
                "enable.idempotence": True,  # and with it acks=all: a retry neither doubles nor reorders
            }
        )
        self.lost = 0
        """How many events the brokers did not take."""
        self.why: deque[str] = deque(maxlen=1_000)
        """Why not, of the last of them."""

    def publish(self, event: dict[str, Any]) -> None:
        """Hand one event to the client, which sends it at once. Never blocks: a call must not wait for Kafka."""
        try:
            self._producer.produce(
                self._topic, key=caller_key(event, self._plan), value=orjson.dumps(event), on_delivery=self._delivered
            )
        except BufferError:
            self._lose(event, "the queue is full, the brokers do not answer")
        except KafkaException as error:
            self._lose(event, error.args[0].str())
        self._producer.poll(0)

    def flush(self, seconds: float = 31.0) -> int:
        """Wait until each message is delivered or given up; gives how many are still neither."""
        return self._producer.flush(seconds)

    def _delivered(self, error: Any, record: Any) -> None:
        if error is not None:
            self._lose(orjson.loads(record.value()), error.str())

    def _lose(self, event: dict[str, Any], why: str) -> None:
        self.lost += 1
        self.why.append(f"{event.get('call_id')}: {why}")


def now_ms() -> int:
    """The time as the contract wants it; keep the clock by NTP, `at` may be off by 5 s at most."""
    return int(time.time() * 1000)


def one_call(given: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """The three events of a call, each at its time."""
    call_id = given.call_id or f"example-{now_ms()}"
    who = {"call_id": call_id, "operator": given.operator, "caller": given.caller, "callee": given.callee}
    yield {"type": "setup", "at": now_ms(), **who, "ingress": given.ingress, "trunk": given.trunk}
    time.sleep(given.ring_ms / 1000)
    if given.talk_ms:
        yield {"type": "answer", "at": now_ms(), **who, "ring_ms": given.ring_ms}
        time.sleep(given.talk_ms / 1000)
    ended = {"ring_ms": given.ring_ms, "talk_ms": given.talk_ms, "cause": 16, "released_by": "caller"}
    yield {"type": "end", "at": now_ms(), **who, **ended}


def events_of(file: str) -> Iterator[dict[str, Any]]:
    """The events of a file of JSON Lines, of standard input for `-`."""
    with sys.stdin.buffer if file == "-" else Path(file).open("rb") as lines:
        yield from map(orjson.loads, lines)


def client_config(given: argparse.Namespace) -> dict[str, str]:
    """Settings of librdkafka from a file of `name=value` lines (the one kcat reads with -F) and the command line."""
    config = {}
    if given.config:
        for line in Path(given.config).read_text("utf-8").splitlines():
            name, _, value = line.partition("=")
            if name.strip() and not name.lstrip().startswith("#"):
                config[name.strip()] = value.strip()
    if given.bootstrap:
        config["bootstrap.servers"] = given.bootstrap
    return config


def add_connection(parser: argparse.ArgumentParser) -> None:
    """The options that say where the brokers are."""
    parser.add_argument("--bootstrap", help="brokers, host:port, comma-separated")
    parser.add_argument("--config", help="file of librdkafka settings, name=value a line: address, TLS, SASL")
    parser.add_argument("--prefix", default="", help="put before every topic's name")
    parser.add_argument("--operator", default="op-a", help="your name, as in operators.v1")
    parser.add_argument(
        "--home", type=plan_of, metavar="COUNTRY",
        help="how numbers are dialled and where help is called, the detector's setting home: KZ, GB, ...; by default as in "
        "Kazakhstan, without numbers for help",
    )  # fmt: skip


def main() -> int:
    """Publish a call, or a file of events; gives 1 when one was not delivered."""
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EXAMPLE, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_connection(parser)
    parser.add_argument("--events", metavar="FILE", help="JSON Lines to publish; - is standard input")
    parser.add_argument("--call-id", help="the call's id; by default one made from the time")
    parser.add_argument("--caller", default="+77011234567")
    parser.add_argument("--callee", default="+77272345678")
    parser.add_argument("--ingress", default="national", choices=["subscriber", "national", "international"])
    parser.add_argument("--trunk")
    parser.add_argument("--ring-ms", type=int, default=400)
    parser.add_argument("--talk-ms", type=int, default=600, help="0: nobody answers")
    given = parser.parse_args()
    publisher = Publisher(client_config(given), given.prefix, given.home or KAZAKHSTAN)
    events = events_of(given.events) if given.events else one_call(given)
    published = 0
    for event in events:
        publisher.publish(event)
        published += 1
        if published % 10_000 == 0:
            publisher.flush()  # a file has time; the client's queue has an end
    lost = publisher.flush() + publisher.lost
    for why in publisher.why:
        print(f"not delivered: {why}", file=sys.stderr)
    print(f"{published - lost} of {published} events delivered")
    return 1 if lost else 0


if __name__ == "__main__":
    sys.exit(main())
