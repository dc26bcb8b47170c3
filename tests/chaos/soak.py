"""``make soak``, or ``python -m tests.chaos.soak --minutes 30``: lab traffic at a steady rate, and faults all the while.

The traffic comes round, see `tests.chaos.rounds`. One worker is left alone and watched: memory, file handles, threads, lag and latency of it must stay flat; the others are
killed, frozen, replaced, and the broker stalls. Afterwards every set-up has its decision, and what is saved is what one undisturbed
engine holds. Writes docs/soak.svg and the figures in docs/reliability.md, between its marks.
"""

import argparse
import os
import random
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import textwrap
import time
import uuid
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import numpy as np
import psutil
from confluent_kafka import Consumer, TopicPartition
from prometheus_client.parser import text_string_to_metric_families

from streamer.calls.codec import decode_decision
from streamer.engine import Engine
from streamer.kafka import clients, topics
from streamer.kafka.broker import LocalBroker, free_port
from streamer.settings import load
from tests.chaos.field import ready
from tests.stream import undisturbed
from tests.stream.live import Worker, get

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs/reliability.md"
PICTURE = ROOT / "docs/soak.svg"
CALLERS, SUBSCRIBERS = 2_000_000, 60_000
"""Room for all, so that none is evicted; few enough subscribers that most of them have called after a while."""
BLOCK_S = 240
"""After so long the same callers call again."""
FAULTS = ("kill", "freeze", "replace", "stall")
FILLED_S = 540
"""From when on the tables hold what they hold of such traffic (calls of eight minutes): the next fault is one in which the worker
takes everything over. Figures are compared from when that is done.
"""


class Sample(NamedTuple):
    """Of the worker that is left alone: seconds since the start, MiB, callers held (their windows last for 28 hours, so that
    they only grow), handles, threads, records behind, and p50 and p99 of the last interval in ms.
    """

    at_s: float
    memory_mib: float
    callers: int
    handles: int
    threads: int
    lag_records: float
    p50_ms: float
    p99_ms: float


class Watch:
    """Samples a worker."""

    def __init__(self, worker, page):
        self._process, self._page = psutil.Process(worker.pid), page
        self._counts, self._began = {}, time.monotonic()
        self.samples = []

    def look(self):
        _, text = get(self._page, "/metrics")
        lag, callers, counts = 0.0, 0, {}
        for family in text_string_to_metric_families(text.decode()):
            for sample in family.samples:
                if sample.name == "streamer_lag_records":
                    lag += sample.value
                elif sample.name == "streamer_callers":
                    callers = int(sample.value)
                elif sample.name == "streamer_decision_latency_seconds_bucket":
                    counts[float(sample.labels["le"])] = sample.value
        fresh = {edge: n - self._counts.get(edge, 0.0) for edge, n in counts.items()}
        self._counts = counts
        self.samples.append(Sample(
                time.monotonic() - self._began,
                self._process.memory_info().rss / 2**20,
                callers,
                self._process.num_fds(),
                self._process.num_threads(),
                lag,
                _quantile(fresh, 0.5),
                _quantile(fresh, 0.99),
        ))  # fmt: skip


def _quantile(counts, share):
    """Ms, between the edges of the buckets as Prometheus does it."""
    total = max(counts.values(), default=0.0)
    below, edge_before = 0.0, 0.0
    for edge, n in sorted(counts.items()):
        if total and n >= share * total:
            if edge == float("inf"):
                return 1000 * edge_before
            part = (share * total - below) / (n - below) if n > below else 1.0
            return 1000 * (edge_before + part * (edge - edge_before))
        below, edge_before = n, edge
    return 0.0


def disturb(how, settings, others, environment, broker, draw):
    """One fault."""
    number = draw.randrange(len(others))
    if how == "kill":
        others[number].kill()
        others[number] = Worker(settings, **environment)
    elif how == "freeze":
        others[number].send(signal.SIGSTOP)
        time.sleep(2.5 * settings.session_timeout_ms / 1000)
        others[number].send(signal.SIGCONT)
    elif how == "replace":
        coming = Worker(settings, **environment)
        ready(coming)
        assert others[number].stop() == 0, others[number].log[-3_000:]
        others[number] = coming
    else:
        pid = broker.status().pid
        for _ in range(5):
            broker_process = psutil.Process(pid)
            broker_process.suspend()
            time.sleep(draw.uniform(0.05, 0.3))
            broker_process.resume()
            time.sleep(0.1)


def accounted(settings):
    """(set-ups and other records that can be answered, those without a decision, answered more than once, differences)."""
    names, differences, missing, again, records = topics.Topics(settings), [], 0, 0, 0
    engine, _ = undisturbed.saved(settings)
    for number in range(settings.partitions):
        answered, other, waiting, revised = np.zeros(1, np.int32), Engine.of(settings), [], (Counter(), Counter())
        for message in _log(settings, names.decisions, number):
            decision = decode_decision(message.value())
            if decision.revises:
                revised[0][message.key().decode()] += 1
                continue
            offset = int(dict(message.headers())["source.offset"])
            if offset >= len(answered):
                answered = np.concatenate([answered, np.zeros(max(offset + 1, len(answered)), np.int32)])
            if not answered[offset]:  # demotions came and went meanwhile: what was said stands
                other.said_before(number, offset, decision)
            answered[offset] += 1
        for topic in (*names.control, *names.facts):
            for message in _log(settings, topic, number if topic in names.facts else 0):
                other.apply(names.kind(topic), message.key().decode(), message.value())
        for message in _log(settings, names.calls, number):
            waiting.append(message)
            if len(waiting) == 2_000:
                asked, unsaid = _judged(other, waiting, revised[1])
                records, missing, waiting = records + asked, missing + unsaid, []
        asked, unsaid = _judged(other, waiting, revised[1])
        revised[1].update(undisturbed.settled(other, [number]))
        revised[0].update(undisturbed.settled(engine, [number]) - set(revised[0]))
        if set(revised[0]) != set(revised[1]):
            lost, made_up = (sorted(set(revised[a]) - set(revised[1 - a])) for a in (1, 0))
            differences.append(
                f"partition {number}: {len(lost)} of {len(revised[1])} calls were not revised, {len(made_up)} wrongly"
            )
        records, missing = records + asked, missing + unsaid
        again += int(np.count_nonzero(answered > 1)) + sum(times > 1 for times in revised[0].values())
        differences += undisturbed.differences(engine, other, [number])
    return records, missing, again, differences


def _judged(engine, messages, revised):
    """(records that ask for a decision, those of them that have none in the log); counts the calls that are revised."""
    outcomes = engine.process(undisturbed.as_batch(messages), 0)
    revised.update(told.call_id for told in outcomes.revisions if told.decision)
    unsaid = len(outcomes.decisions)
    return unsaid + outcomes.said_before, unsaid


def _log(settings, topic, number):
    own = {"enable.partition.eof": True, "log_level": 0}
    reader = Consumer(clients.consumer_config(settings, f"{settings.group}-all", **own))
    low, _ = reader.get_watermark_offsets(TopicPartition(topic, number), timeout=10)
    reader.assign([TopicPartition(topic, number, low)])
    ended = False
    while not ended:
        for message in reader.consume(5_000, 0.2):
            if message.error() is None:
                yield message
            else:
                ended = True
    reader.close()


def picture(samples, faults):
    """The samples as an SVG, one strip a figure, faults as grey lines."""
    strips = (("memory, MiB", "memory_mib"), ("callers held", "callers"), ("file handles", "handles"), ("threads", "threads"), ("lag, records", "lag_records"),
              ("p50, ms", "p50_ms"), ("p99, ms", "p99_ms"))  # fmt: skip
    width, height, left = 900, 90, 110
    last = max(samples[-1].at_s, 1.0)
    lines = [
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {len(strips) * height + 30}" font-family="sans-serif" '
            'font-size="12"><rect width="100%" height="100%" fill="white"/>'
        )
    ]
    for row, (title, name) in enumerate(strips):
        values = [getattr(sample, name) for sample in samples]
        top, most = row * height + 10, max(*values, 1e-9)
        at = [left + (width - left - 10) * sample.at_s / last for sample in samples]
        points = " ".join(
            f"{x:.1f},{top + (height - 25) * (1 - v / most):.1f}" for x, v in zip(at, values, strict=True)
        )
        lines += [f'<line x1="{left + (width - left - 10) * f / last:.1f}" y1="{top}" x2="{left + (width - left - 10) * f / last:.1f}" '
                  f'y2="{top + height - 25}" stroke="#ddd"/>' for f in faults]  # fmt: skip
        lines += [f'<text x="5" y="{top + 14}">{title}</text><text x="5" y="{top + 30}" fill="#666">most {most:,.0f}</text>',
                  f'<line x1="{left}" y1="{top + height - 25}" x2="{width - 10}" y2="{top + height - 25}" stroke="#999"/>',
                  f'<polyline points="{points}" fill="none" stroke="#1f77b4"/>']  # fmt: skip
    lines.append(
        f'<text x="{left}" y="{len(strips) * height + 20}">0 to {last / 60:.0f} minutes; grey: a fault</text></svg>\n'
    )
    return "\n".join(lines)


def told_of(samples, faults, rate, account, filled_s):
    """The section of the page; `filled_s` is when all was held with full tables for the first time, None for a short run."""
    records, missing, again, differences = account
    settled = [sample for sample in samples if sample.at_s > (filled_s or samples[-1].at_s / 6)]
    since = (
        f" after minute {filled_s / 60:.0f}, when it had held all partitions once with full tables" if filled_s else ""
    )
    third = len(settled) // 3

    def flat(name):
        first, last = (
            statistics.median(getattr(s, name) for s in part) for part in (settled[:third], settled[-third:])
        )
        return f"{first:,.0f} and {last:,.0f}"

    text = (
        f"{samples[-1].at_s / 60:.0f} minutes at {rate:,} set-ups a second of lab traffic, whose first {BLOCK_S // 60} minutes come round, "
        f"each time as new calls of the same callers, {len(faults)} faults on the other worker and "
        f"the broker ({', '.join(FAULTS)}). Of {records:,} set-ups {missing} have no decision and {again} have it twice; "
        f"{len(differences)} windows, counters, remembered calls or revisions differ from an undisturbed engine's. The worker that was "
        f"left alone, medians of the first and the last third{since}: file handles {flat('handles')}, threads {flat('threads')}, lag "
        f"{flat('lag_records')} records, p50 {flat('p50_ms')} ms, p99 {flat('p99_ms')} ms, memory {flat('memory_mib')} MiB with "
        f"{flat('callers')} callers held, {max(sample.callers for sample in samples):,} at most at one moment, whose windows last for "
        f"28 hours, and the calls of eight minutes. What that memory is the next section says."
    )
    return f"{textwrap.fill(text, 130)}\n\n![The worker that was left alone](soak.svg)\n"


def main():
    asked = argparse.ArgumentParser(prog="python -m tests.chaos.soak", description=__doc__)
    asked.add_argument("--minutes", type=float, default=30)
    asked.add_argument("--rate", type=int, default=2_000, help="set-ups a second")
    asked.add_argument("--seed", type=int, default=1)
    asked.add_argument("--write", action="store_true", help="put figures and picture into docs/")
    told = asked.parse_args()
    draw, faults = random.Random(told.seed), []
    with tempfile.TemporaryDirectory(prefix="streamer-soak-") as folder:
        broker = LocalBroker(Path(folder), port=0, heap="768m")
        broker.start(dies_with_parent=True, show=True)
        prefix = f"soak-{uuid.uuid4().hex[:6]}."
        settings = load(
            bootstrap=broker.bootstrap, prefix=prefix, partitions=4, group=f"{prefix}scorer", max_callers=CALLERS
        )
        topics.ensure(settings)
        page = free_port()
        environment = {"STREAMER_MAX_CALLERS": str(CALLERS)}
        alone = Worker(settings, STREAMER_METRICS_PORT=str(page), **environment)
        others = [Worker(settings, **environment)]
        traffic = None
        try:
            for worker in (alone, *others):
                ready(worker)
            traffic = subprocess.Popen(
                [sys.executable, "-m", "tests.chaos.rounds", "--rate", str(told.rate), "--seconds", str(int(60 * told.minutes)),
                 "--block", str(BLOCK_S), "--subscribers", str(SUBSCRIBERS)],
                env=_environment(settings), stdout=subprocess.DEVNULL, cwd=ROOT,
            )  # fmt: skip
            watch, began = Watch(alone, page), time.monotonic()
            next_fault, filled_s = began + 60, None
            while traffic.poll() is None:
                time.sleep(5)
                watch.look()
                if time.monotonic() > next_fault and time.monotonic() < began + 60 * told.minutes - 30:
                    faults.append(time.monotonic() - began)
                    how = draw.choice(FAULTS)
                    full = filled_s is None and faults[-1] > FILLED_S
                    how = "freeze" if full else how
                    print(f"{faults[-1]:6.0f} s {how}; {watch.samples[-1]}", flush=True)
                    disturb(how, settings, others, environment, broker, draw)
                    filled_s = time.monotonic() - began if full else filled_s
                    next_fault = time.monotonic() + draw.uniform(20, 60)
            time.sleep(10)
            for worker in (alone, *others):
                assert worker.stop() == 0, worker.log[-5_000:]
            account = accounted(settings)
        finally:
            if traffic is not None and traffic.poll() is None:
                traffic.kill()
            for worker in (alone, *others):
                worker.kill()
            broker.stop(delete_data=True)
    text = told_of(watch.samples, faults, told.rate, account, filled_s)
    for difference in account[3]:
        print(difference)
    print(text)
    if told.write:
        PICTURE.write_text(picture(watch.samples, faults), "utf-8")
        held = PAGE.read_text("utf-8")
        PAGE.write_text(
            re.sub(r"(?s)(<!-- soak -->\n).*(<!-- /soak -->)", lambda m: f"{m[1]}{text}{m[2]}", held), "utf-8"
        )
    return 1 if account[1] or account[3] else 0


def _environment(settings):
    return os.environ | {
        "STREAMER_BOOTSTRAP": settings.bootstrap, "STREAMER_PREFIX": settings.prefix, "STREAMER_PARTITIONS": str(settings.partitions),
    }  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
