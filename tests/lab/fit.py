"""``make fit``, or ``python -m tests.lab.fit --write``: simulated lines beside the real ones of the Sichuan records, honest and
fraudulent apart, by quantiles. Writes docs/lab/*.svg and the tables in docs/lab.md, between its marks.
"""

import csv
import sys
from collections import defaultdict
from pathlib import Path

from streamer.calls.events import End, Setup
from streamer.lab.network import KAZAKHSTAN
from streamer.lab.rhythm import hour_of
from streamer.lab.traffic import CALLS_A_DAY, Traffic

ROOT = Path(__file__).parents[2]
REAL = ROOT.parent / "shared/data/sichuan/all_feat_with_label.csv"
DAYS = 240
"""The records are of eight months."""
MEASURES = {
    "calls": "answered calls, in and out",
    "peers": "distinct numbers talked with",
    "outgoing": "outgoing part of its calls",
    "mean_talk": "mean talk, s",
    "median_talk": "median talk, s",
    "hours": "hours of the day in use",
}
COLUMNS = {
    "calls": "opposite_count", "peers": "opposite_unique", "outgoing": "voc_calltype1", "mean_talk": "call_dur_mean",
    "median_talk": "call_dur_median", "hours": "voc_hour_nunique",
}  # fmt: skip
AT = (0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95)
_OFFSET_MS = KAZAKHSTAN.utc_offset_h * 3_600_000


class Line:
    """What was seen of one line."""

    __slots__ = ("hours", "outgoing", "peers", "talks")

    def __init__(self):
        self.outgoing = 0
        self.peers = set()
        self.hours = set()
        self.talks = []

    def take(self, peer, hour, talk_s, outgoing):
        self.peers.add(peer)
        self.hours.add(hour)
        self.talks.append(talk_s)
        self.outgoing += outgoing

    def measured(self):
        talks = sorted(self.talks)
        return {
            "calls": len(talks),
            "peers": len(self.peers),
            "outgoing": self.outgoing / len(talks),
            "mean_talk": sum(talks) / len(talks),
            "median_talk": talks[len(talks) // 2],
            "hours": len(self.hours),
        }


def real(label):
    """Measures of the real lines with that label: name to values."""
    with REAL.open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["label"] == label]
    return {name: [float(row[column]) for row in rows if row[column]] for name, column in COLUMNS.items()}


def simulated(traffic, mine):
    """Measures of the lines of some traffic for which `mine` holds."""
    lines, ingress = defaultdict(Line), {}
    for at, event, _ in traffic:
        if isinstance(event, Setup):
            if event.ingress == "subscriber" or event.trunk not in DIRECT:
                ingress[event.call_id] = event.ingress, hour_of(at + _OFFSET_MS)
        elif isinstance(event, End):
            way, hour = ingress.pop(event.call_id, (None, 0))
            if way is None or not event.talk_ms:
                continue
            talk_s = max(1, round(event.talk_ms / 1000))
            if way == "subscriber" and mine(event.caller):
                lines[event.caller].take(event.callee, hour, talk_s, 1)
            if mine(event.callee):
                lines[event.callee].take(event.caller, hour, talk_s, 0)
    found = [line.measured() for line in lines.values()]
    return {name: [line[name] for line in found] for name in MEASURES}


DIRECT = {trunk.trunk for trunk in Traffic(1, 1, subscribers=200).trunks() if trunk.kind == "direct"}


def honest(subscribers, days=DAYS, seed=1):
    """Measures of all subscribers of a small population without fraud."""
    traffic = Traffic(
        seed, subscribers * CALLS_A_DAY / 86_400, seconds=days * 86_400, frauds={}, subscribers=subscribers, rhythm=True
    )
    numbers = {traffic.population.line(index)[1] for index in range(subscribers)}
    return simulated(traffic, numbers.__contains__)


def fraudulent(lives, days=DAYS, seed=1):
    """Measures of swindlers' lines, about so many."""
    a_second = lives * 600 / (days * 86_400)
    traffic = Traffic(
        seed, a_second, seconds=days * 86_400, frauds={"scam_line": 1.0}, subscribers=100_000, rhythm=True
    )
    return simulated(traffic, lambda number: number.startswith("+7") and number[5:7] == "99")


def quantiles(values):
    values = sorted(values)
    return [values[min(len(values) - 1, int(at * len(values)))] for at in AT]


def shown(name, kind, one, other):
    print(f"{kind} {name}:")
    for who, values in (("real", one), ("simulated", other)):
        print(
            f"   {who:10s}",
            [round(value, 2) for value in quantiles(values)],
            f"mean {sum(values) / len(values):.1f} n {len(values)}",
        )


def main(arguments):
    which = arguments[0] if arguments else ""
    if which != "fraud":
        one, other = real("0"), honest(450)
        for name in MEASURES:
            shown(name, "honest", one[name], other[name])
    if which != "honest":
        one, other = real("1"), fraudulent(600)
        for name in MEASURES:
            shown(name, "fraud", one[name], other[name])


if __name__ == "__main__":
    main(sys.argv[1:])
