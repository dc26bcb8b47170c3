"""``make fit``, or ``python -m tests.lab.fit --write``: simulated lines beside the real ones of the Sichuan records, honest and
fraudulent apart, by quantiles. Writes docs/lab/*.svg and the tables in docs/lab.md, between its marks.
"""

import csv
import sys
from bisect import bisect_right
from collections import defaultdict
from math import log
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
AT = (0.1, 0.25, 0.5, 0.75, 0.9)
COLOURS = "#333", "#e07b00"
MARKS = "<!-- fit -->", "<!-- /fit -->"
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


def quantiles(values, at):
    values = sorted(values)
    return [values[min(len(values) - 1, int(one * len(values)))] for one in at]


def distance(one, other):
    """The largest difference between two samples' cumulative shares (Kolmogorov and Smirnov)."""
    one, other = sorted(one), sorted(other)
    return max(
        abs(bisect_right(one, value) / len(one) - bisect_right(other, value) / len(other)) for value in {*one, *other}
    )


def pairs(sizes):
    """Title, real and simulated measures of both kinds of line."""
    yield "honest", real("0"), honest(sizes[0])
    yield "fraud", real("1"), fraudulent(sizes[1])


# what is written


def table(one, other):
    rows = ["| measure | | 10 % | 25 % | median | 75 % | 90 % | largest gap |", "|---|---|---|---|---|---|---|---|"]
    for name, meaning in MEASURES.items():
        for who, values in (("real", one[name]), ("simulated", other[name])):
            cells = " | ".join(
                f"{value:.2f}" if name == "outgoing" else f"{value:.0f}" for value in quantiles(values, AT)
            )
            gap = f"{distance(one[name], other[name]):.2f}" if who == "real" else ""
            rows.append(f"| {meaning if who == 'real' else ''} | {who} | {cells} | {gap} |")
    return "\n".join(rows)


def picture(one, other):
    """Cumulative shares by measure, real lines and simulated ones, as an SVG."""
    width, height, pad, top = 280, 170, 34, 26
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {3 * (width + pad) + 20} {2 * (height + pad + top) + 24}">',
        '<g font-family="sans-serif" font-size="11" fill="#333"><rect width="100%" height="100%" fill="#fff"/>',
    ]
    shares = [share / 100 for share in range(1, 100)]
    for number, (name, meaning) in enumerate(MEASURES.items()):
        x0, y0 = 38 + number % 3 * (width + pad), top + number // 3 * (height + pad + top)
        logs = name not in {"outgoing", "hours"}
        curves = [quantiles(values, shares) for values in (one[name], other[name])]
        low, high = min(min(curve) for curve in curves), max(max(curve) for curve in curves)

        def across(value, low=low, high=high, logs=logs, x0=x0):
            scaled = log(value / low) / log(high / low) if logs else (value - low) / (high - low)
            return x0 + width * scaled

        ticks = [10**power for power in range(6) if low <= 10**power <= high] if logs else [low, (low + high) / 2, high]
        parts.append(f'<text x="{x0}" y="{y0 - 8}" font-size="12">{meaning}</text>')
        parts.append(f'<rect x="{x0}" y="{y0}" width="{width}" height="{height}" fill="none" stroke="#bbb"/>')
        for tick in ticks:
            parts.append(f'<path d="M{across(tick):.1f} {y0}v{height}" stroke="#e4e4e4"/>')
            text = f"{tick:.1f}".removesuffix(".0")
            parts.append(f'<text x="{across(tick):.1f}" y="{y0 + height + 14}" text-anchor="middle">{text}</text>')
        for share in (0, 0.5, 1):
            y = y0 + height * (1 - share)
            parts.append(f'<text x="{x0 - 4}" y="{y + 4:.0f}" text-anchor="end">{share:.0%}</text>')
        for curve, colour in zip(curves, COLOURS, strict=True):
            points = " ".join(
                f"{across(value):.1f},{y0 + height * (1 - share):.1f}"
                for share, value in zip(shares, curve, strict=True)
            )
            parts.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"/>')
    y = 2 * (height + pad + top) + 12
    for number, (who, colour) in enumerate(zip(("real", "simulated"), COLOURS, strict=True)):
        parts.append(f'<path d="M{30 + 110 * number} {y - 4}h24" stroke="{colour}" stroke-width="2"/>')
        parts.append(f'<text x="{60 + 110 * number}" y="{y}">{who}</text>')
    return "\n".join([*parts, "</g></svg>"]) + "\n"


def main(arguments):
    said = []
    for title, one, other in pairs((1_500, 1_500)):
        lines = f"{len(one['calls']):,} real lines, {len(other['calls']):,} simulated"
        said.append(
            f"### {title.capitalize()} lines\n{lines}.\n\n{table(one, other)}\n\n![{title} lines](lab/{title}.svg)\n"
        )
        print(said[-1])
        if "--write" in arguments:
            (ROOT / f"docs/lab/{title}.svg").write_text(picture(one, other), "utf-8")
    if "--write" in arguments:
        page = ROOT / "docs/lab.md"
        before, _, rest = page.read_text("utf-8").partition(MARKS[0])
        _, _, after = rest.partition(MARKS[1])
        text = "\n".join(said)
        page.write_text(f"{before}{MARKS[0]}\n{text}{MARKS[1]}{after}", "utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
