"""``make real``, or ``python -m tests.lab.real --write``: real records through the engine with every detector on: callers of the
complaints to the US Federal Trade Commission among honest traffic, four subscribers in Sichuan, the phones of VAST 2008. Writes
what was caught, and what was not, in docs/lab.md between its marks.
"""

import sys
from collections import Counter, defaultdict
from heapq import merge
from pathlib import Path

import orjson

from streamer.calls.codec import encode
from streamer.calls.events import Setup
from streamer.calls.numbers import caller_key, home_plan
from streamer.lab import mapping
from streamer.lab.control import of_traffic
from streamer.lab.network import KAZAKHSTAN, Carrier, Network
from streamer.lab.ordering import Message
from streamer.lab.rejects import Rejects
from streamer.lab.replay import history_engine, through_engine
from streamer.lab.source import Source
from streamer.lab.traffic import Traffic
from streamer.settings import load

ROOT = Path(__file__).parents[2]
EVENTS = ROOT.parent / "shared/data/events"
FTC = EVENTS / "dnc_complaint_numbers_2021-07-08.csv"
SICHUAN = EVENTS / "sichuan_4subs_events.csv"
VAST = EVENTS / "vast2008_events.csv"
MARKS = "<!-- real -->", "<!-- /real -->"
BUSIEST_MS = 1_625_616_000_000
"""7 July 2021, 00:00 UTC: of 14,034 complaints 9,784 are about calls of that day."""

UNITED_STATES = Network(
    country="US",
    carriers=(
        Carrier("us-a", "Operator A", ("+12125", "+14155", "+13125", "+16175")),
        Carrier("us-b", "Operator B", ("+12135", "+17025", "+13055", "+14045")),
        Carrier("us-c", "Operator C", ("+12065", "+12145", "+16025", "+15035")),
    ),
    fixed=("+12023", "+17133", "+12153", "+13033"),
    vacant=("+1000",),
    neighbours=tuple(one for one in KAZAKHSTAN.neighbours if one.country in {"DE", "GB", "CN", "TR"}),
    far=KAZAKHSTAN.far,
    utc_offset_h=-5,
    banks=("+12023500101", "+17133500202", "+12153500303"),
    premium=KAZAKHSTAN.premium,
    login="+1202358",
    digits=6,
)
"""Numbering of the United States as libphonenumber knows it, as far as a simulation needs it; the operators are invented."""


class Judged:
    """Decisions by call: counted, with those of honest calls apart."""

    def __init__(self):
        self.actions = Counter()
        self.reasons = Counter()
        self.honest = Counter()
        self.by_caller = defaultdict(Counter)
        self.by_line = defaultdict(lambda: defaultdict(Counter))

    def take(self, line):
        decision = orjson.loads(line)
        action = decision["action"]
        if "@" in decision["call_id"]:
            self.honest[action] += 1
            return
        self.actions[action] += 1
        self.by_caller[decision["caller"]][action] += 1
        self.by_line[decision["call_id"].rsplit("-", 1)[0]][decision["caller"]][action] += 1
        for reason in decision["reasons"]:
            self.reasons[reason, action] += 1


def replayed(path, name, home, folder):
    with Rejects(folder / f"{name}.rejects.jsonl") as rejects:
        yield from Source([path], mapping.read(name), home_plan(home), rejects)


def judged(messages, home, records=()):
    settings = load()
    engine = history_engine(settings, home)
    for record in records:
        engine.apply(record.kind, record.key, record.value)
    found = Judged()
    through_engine(messages, engine, settings, write=found.take)
    return found


def complaints(folder, hours=24, rate=5.0):
    """The complaints' callers among honest American traffic of those hours."""
    traffic = Traffic(
        7, rate, seconds=hours * 3_600, start_ms=BUSIEST_MS, frauds={}, rhythm=True, network=UNITED_STATES
    )
    plan = home_plan("US")

    def honest():
        for at, event, _ in traffic:
            call = (event.operator, event.call_id) if isinstance(event, Setup) else None
            yield Message(at, caller_key(event.caller, event.asserted, event.callee, plan), encode(event), call)

    end_ms = BUSIEST_MS + hours * 3_600_000
    real = (message for message in replayed(FTC, "ftc", "US", folder) if BUSIEST_MS <= message.at < end_ms)
    return judged(merge(real, honest(), key=lambda message: message.at), "US", of_traffic(traffic))


def sichuan(folder):
    return judged(replayed(SICHUAN, "sichuan", "CN", folder), "CN")


def own_calls(found):
    """Actions on the calls that each of the four subscribers made himself."""
    return {line: max(callers.values(), key=Counter.total) for line, callers in sorted(found.by_line.items())}


def vast(folder):
    return judged(replayed(VAST, "vast2008", "KZ", folder), "KZ")


def reasons(found):
    return (
        ", ".join(f"`{reason}` ({action}) {count:,}" for (reason, action), count in found.reasons.most_common())
        or "none"
    )


def actions(counts):
    return ", ".join(f"{action} {count:,}" for action, count in counts.most_common())


def text(folder):
    ftc, lines, island = complaints(folder), sichuan(folder), vast(folder)
    calls = Counter(sum(counts.values()) for counts in ftc.by_caller.values())
    total, honest = ftc.actions.total(), ftc.honest.total()
    blocked = ftc.actions["block"]
    four = [f"{line}: {counts.total():,} calls out, {actions(counts)}" for line, counts in own_calls(lines).items()]
    return (
        f"- *FTC complaints*: {total:,} calls that people complained of on 7 July 2021, from {len(ftc.by_caller):,} numbers, among "
        f"{honest:,} honest calls. {blocked:,} blocked ({blocked / total:.1%}); {actions(ftc.actions)}. Reasons: {reasons(ftc)}. "
        f"Honest calls: {actions(ftc.honest)}. {calls[1]:,} of the numbers occur once and {sum(count for times, count in calls.items() if times > 5):,} more "
        "than five times: a complaint is one call out of thousands that nobody wrote down, so that what a caller does in a "
        "minute or an hour cannot be seen.\n"
        f"- *Sichuan, four lines*: {'; '.join(four)}. Reasons: {reasons(lines)}.\n"
        f"- *VAST 2008*: {island.actions.total():,} calls of {len(island.by_caller):,} phones: {actions(island.actions)}. Reasons: {reasons(island)}.\n"
    )


def main(arguments):
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        said = text(Path(folder))
    print(said)
    if "--write" in arguments:
        page = ROOT / "docs/lab.md"
        before, _, rest = page.read_text("utf-8").partition(MARKS[0])
        _, _, after = rest.partition(MARKS[1])
        page.write_text(f"{before}{MARKS[0]}\n{said}{MARKS[1]}{after}", "utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
