"""`python -m benchmarks`: measure, judge, write RESULTS.md. `--quick` only shows that all of it works."""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from confluent_kafka import KafkaException
from rich.console import Console

from benchmarks import environments as env
from benchmarks import report, restoring
from benchmarks.corpus import Corpus, simulate
from benchmarks.engine_alone import in_own_process
from benchmarks.processes import BenchmarkError, end_in_order_when_asked
from benchmarks.sizes import FULL, QUICK, Sizes
from benchmarks.visits import Peer, Visit
from streamer.errors import StreamerError
from streamer.kafka.broker import LocalBroker

NAMES = (
    "raw", "worker", "engine", "engine-loop", "kafka-streams", "kafka-streams-changelog", "bytewax", "quix", "faust-per-event",
)  # fmt: skip
PARTS = (*NAMES, "speed", "memory", "restore")
FOLDER = Path(__file__).parent
HEAP = "1g"
"""The broker's, as with Kafka's own script."""


def peers(wanted: set[str], console: Console, left_out: dict[str, str]) -> list[Peer]:
    """The peers that can be run here; why another cannot goes into `left_out`."""
    makers = {
        "raw": lambda: Peer("raw", "confluent-kafka loop (the limit)", env.here("raw_loop.py")),
        "worker": lambda: Peer("worker", "our worker, trivial work", env.here("our_worker.py")),
        "engine": lambda: Peer(
            "engine", "our worker, full engine, evidence", env.here("our_worker.py"), judge="engine", mixed=True
        ),
        "engine-loop": lambda: Peer(
            "engine-loop", "confluent-kafka loop with our engine, no state kept", env.here("engine_loop.py"), mixed=True
        ),
        "kafka-streams": lambda: Peer(
            "kafka-streams", "Kafka Streams, no changelog", env.java("KafkaStreamsPeer", console)
        ),
        "kafka-streams-changelog": lambda: Peer(
            "kafka-streams-changelog",
            "Kafka Streams, changelog",
            env.java("KafkaStreamsPeer", console),
            changelog=True,
            paced=False,
        ),
        "bytewax": lambda: Peer("bytewax", "Bytewax", env.own("bytewax", env.BYTEWAX, "bytewax_flow.py", console)),
        "quix": lambda: Peer("quix", "Quix Streams", env.own("quix", env.QUIX, "quix_app.py", console)),
        "faust-per-event": lambda: Peer(
            "faust-per-event", "Faust agent per event", env.here("faust_per_event.py"), slow=True
        ),
    }
    found = []
    for name in NAMES:
        if name in wanted:
            try:
                found.append(makers[name]())
            except BenchmarkError as reason:
                left_out[name] = str(reason)
                console.print(f"[red]{name} is left out:[/] {reason}")
    return found


def visit_all(
    chosen: list[Peer],
    bootstrap: str,
    corpus: Corpus,
    sizes: Sizes,
    folder: Path,
    results: dict[str, Any],
    console: Console,
) -> None:
    """Every peer once a round, in another order each time, so that what else the machine does meets all of them.

    First visits are thrown away, of the first peer and of one with all kinds of records: until the broker has compiled its own
    code, it takes up to three times the processor time for a set-up, which would be charged to whoever came first.
    """

    def visited(peer: Peer, wanted: Sizes, when: str) -> dict[str, Any] | None:
        try:
            return Visit(peer, bootstrap, corpus, wanted, folder).measure()
        except (BenchmarkError, KafkaException, StreamerError, subprocess.SubprocessError, ValueError) as reason:
            results["left_out"][peer.name] = f"{when}: {reason}"
            console.print(f"[red]failed:[/] {reason}", markup=True, highlight=False)
            return None

    first = [chosen[0], *[peer for peer in chosen[1:] if peer.mixed][:1]]
    warming = [QUICK] if results["quick"] else [QUICK, sizes]
    results["warmed"] = sum(
        visited(peer, wanted, "while the broker was warmed up") is not None for peer in first for wanted in warming
    )
    for turn in range(sizes.repeats):
        for peer in chosen[turn % len(chosen) :] + chosen[: turn % len(chosen)]:
            console.print(f"  round {turn + 1} of {sizes.repeats}: {peer.title} … ", end="")
            found = visited(peer, sizes, f"round {turn + 1}")
            if found is None:
                continue
            held = results["peers"].setdefault(peer.name, {"title": peer.title, "visits": []})
            held["visits"].append({"round": turn, **found})
            tails = ", ".join(f"{r}/s p99 {p.get('p99', 0):.1f} ms" for r, p in found.get("paced", {}).items())
            console.print(f"{found['rate']:,.0f} set-ups/s, {found['cpu_us']:.1f} µs; {tails}")


def machine() -> dict[str, Any]:
    """What the figures were measured on."""
    model = next(
        (line.split(":", 1)[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")),
        platform.processor(),
    )
    return {
        "cores": len(os.sched_getaffinity(0)),
        "processor": model,
        "system": f"{platform.system()} {platform.machine()}",
        "load_before": os.getloadavg()[0],
    }


def main() -> int:
    """Measure what was chosen; 1 when a peer failed, 130 after Ctrl-C, 143 after SIGTERM."""
    asked = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    asked.add_argument("--quick", action="store_true", help="small numbers, one round: under 5 minutes")
    asked.add_argument("--only", default="", help=f"parts, comma-separated: {', '.join(PARTS)}")
    asked.add_argument("--port", type=int, default=0, help="port of the broker that is started; 0 picks a free one")
    asked.add_argument("--rounds", type=int, default=0, help="rounds over all peers instead of the default")
    asked.add_argument("--out", type=Path, default=FOLDER, help="folder of RESULTS.md and results.json")
    told = asked.parse_args()
    wanted = set(filter(None, told.only.split(","))) or set(PARTS)
    if wanted - set(PARTS):
        asked.error(f"unknown parts {sorted(wanted - set(PARTS))}; known are {', '.join(PARTS)}")
    end_in_order_when_asked()
    sizes = QUICK if told.quick else FULL
    if told.rounds:
        sizes = sizes._replace(repeats=told.rounds)
    console = Console(stderr=True)
    began = time.monotonic()
    results: dict[str, Any] = {
        "machine": machine(), "versions": env.versions(), "quick": told.quick, "sizes": sizes._asdict(),
        "peers": {}, "left_out": {},
    }  # fmt: skip
    chosen = peers(wanted, console, results["left_out"])
    if chosen or "restore" in wanted:
        with tempfile.TemporaryDirectory(prefix="streamer-benchmark-") as name:
            folder = Path(name)
            broker = LocalBroker(folder / "broker", port=told.port, heap=HEAP)
            console.print("starting a broker and simulating traffic …")
            broker.start(dies_with_parent=True, show=True)
            try:
                corpus = simulate(sizes.traffic_s, folder)
                results["broker"] = f"{broker.status().version} with a heap of {HEAP}"
                results["records_a_setup"] = corpus.records_a_setup
                results["setup_bytes"] = sum(len(value) for _, value in corpus.setups) / len(corpus.setups)
                if chosen:
                    visit_all(chosen, broker.bootstrap, corpus, sizes, folder, results, console)
                if "restore" in wanted:
                    console.print("  restoring the state of a full worker …")
                    try:
                        results["restore"] = restoring.in_own_process(broker.bootstrap, sizes.callers, folder)
                    except subprocess.SubprocessError as reason:
                        results["left_out"]["restore"] = str(reason)
                        console.print(f"[red]failed:[/] {reason}")
            finally:
                broker.stop(delete_data=True)
    for part, key, task in (
        ("speed", "engine", {"seconds": sizes.engine_s, "repeats": sizes.engine_repeats}),
        ("memory", "memory", {"callers": sizes.callers}),
    ):
        if part in wanted:
            console.print(f"  the engine alone: {part} …")
            try:
                results[key] = in_own_process(what=part, **task)
            except subprocess.SubprocessError as reason:
                results["left_out"][part] = str(reason)
                console.print(f"[red]failed:[/] {reason}")
    results["seconds"] = time.monotonic() - began
    told.out.mkdir(parents=True, exist_ok=True)
    (told.out / "results.json").write_text(json.dumps(results, indent=1) + "\n")
    (told.out / "RESULTS.md").write_text(report.render(results))
    console.print(f"{told.out / 'RESULTS.md'} written after {results['seconds']:.0f} s")
    return 1 if results["left_out"] else 0


if __name__ == "__main__":
    sys.exit(main())
