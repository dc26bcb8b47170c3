"""RESULTS.md from results.json: one table, and each promise judged. Every figure is computed here from what was measured.

`python -m benchmarks.report` writes it again from the results of the last run.
"""

from __future__ import annotations

import json
import sys
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any, Final

from benchmarks.promises import judged

Results = dict[str, Any]

QUIET_LOAD = 0.5
"""Above this load average before the start the machine was not ours alone."""


CAUSES: Final = {
    1: (
        "each detector, with its features and what is counted for it over all partitions, costs every call; and the processor counts: where the codec loop "
        "takes 1.32 µs (an EPYC) these loops judge 319,000 set-ups/s in batches of 500, where it takes 1.69 (a Xeon) 194,000."
    ),
    2: (
        "in a catch-up of trivial work the interpreter is what is full: 92 % of the time one thread or another holds its lock. Of 5.8 µs a set-up "
        "(on an EPYC on which the raw loop takes 4.6) 1.7 go into handing the decision to librdkafka's queue, 1.9 into the work that all peers do, 0.8 into polling, "
        "the rest into records becoming columns and decisions messages. On a broker that has compiled its own code all peers gain more than "
        "that: Bytewax' source and sink are compiled, it waits for no delivery, and its two cores are never one interpreter's. The ratios to it, to "
        "Quix Streams and to the agent per event differ by 10 % between rounds, on a Xeon by more than half."
    ),
    3: (
        "two cores hold the broker, the publisher, the reader and the worker: what the worker computes more than the raw loop counts about twice. "
        "On an EPYC a batch of five or six calls, one a millisecond, took its thread 400 µs of processor: the engine 220 (60 when its caches are "
        "warm), Faust and asyncio 95, handing what was said to the client 90, the loop's turn 65; the bare loop with the same engine 250. "
        "Since then batches go straight into the streams' queues, without Faust's conductor, and decisions leave before their evidence is made. In turns of old "
        "and new workers on one broker, on a Xeon 1.6 times slower, three visits each: p99 at 5,000/s 73, 48 and 511 ms before, 22 to 33 after; p50 7.3 and 6.3 ms in the "
        "mean, which is within what visits differ by; a decision's processor time is the same. "
        "No difference made before: holding polls back while a batch is judged, scheduling the client's threads as batch work; "
        "other waits for company were worse. What is left to gain is one compiled entry a batch (some 50 of the 400 µs). "
        "Quix Streams, with the client settings of all others, takes 0.1 ms more than the raw loop on the EPYC, so that nothing that judges is ahead of its median there. "
        "Ratios of 99th percentiles differ by a factor of two and more between rounds and machines."
    ),
}
"""Why a promise is missed, as far as profiles tell."""
UNSTEADY: Final = 2.0
"""Times by which a figure of one round exceeds that of another for it to be named."""


def _rounds(results: Results, peer: str, path: tuple[str, ...]) -> dict[int, float]:
    """One figure of a peer by round, as far as it was measured."""
    found = {}
    for visit in results["peers"].get(peer, {}).get("visits", []):
        value: Any = visit
        for step in path:
            value = value.get(step) if isinstance(value, dict) else None
        if value is not None:
            found[int(visit["round"])] = float(value)
    return found


def middle(results: Results, peer: str, *path: str) -> float | None:
    """Median over the rounds of one figure of a peer, None when it was not measured."""
    found = _rounds(results, peer, path)
    return median(found.values()) if found else None


def ratio(results: Results, peer: str, other: str, *path: str) -> float | None:
    """Median over the rounds of `peer`'s figure by that of `other` in the same round."""
    ours, theirs = _rounds(results, peer, path), _rounds(results, other, path)
    found = [ours[turn] / theirs[turn] for turn in ours if theirs.get(turn)]
    return median(found) if found else None


def _number(value: float | None, digits: int = 1) -> str:
    return "–" if value is None else f"{value:,.{digits}f}"


def _waits(results: Results, peer: str, rate: str) -> str:
    found = [middle(results, peer, "paced", rate, name) for name in ("p50", "p99", "p999")]
    return "–" if found[0] is None else " / ".join(_number(value) for value in found)


def render(results: Results) -> str:
    """The whole page."""
    machine, sizes = results["machine"], results["sizes"]
    lines = ["# Results", ""]
    versions = ", ".join(f"{name} {number}" for name, number in results["versions"].items())
    lines.append(
        f"Written by `python -m benchmarks{' --quick' if results['quick'] else ''}`, which took {results['seconds'] / 60:.0f} min. "
        f"{machine['cores']} cores ({machine['processor']}, {machine['system']}) hold everything: broker, publisher, worker and "
        f"reader; load average before the start {machine['load_before']:.1f}. Apache Kafka {results.get('broker', '–')}, 4 partitions; {versions}."
    )
    if machine["load_before"] > QUIET_LOAD:
        lines += [
            "",
            (
                "**Other programs were running on this machine: the figures are lower, and the waits longer, than on a quiet one, "
                "and workers that were measured minutes apart did not meet the same load.**"
            ),
        ]
    if results["quick"]:
        lines += ["", "**A quick run: it shows that everything works; its figures are too short to be judged by.**"]
    if results["peers"]:
        lines += ["", *_table(results), *_unsteady(results), "", *_notes(results, sizes)]
    if "engine" in results:
        lines += ["", *_engine(results)]
    if "memory" in results:
        lines += ["", *_memory(results)]
    if "restore" in results:
        lines += ["", *_restore(results)]
    lines += ["", *_promises(results)]
    return "\n".join(lines) + "\n"


def _table(results: Results) -> list[str]:
    rates = [f"{rate:,}/s p50 / p99 / p99.9 ms" for rate in results["sizes"]["rates"]]
    lines = [
        f"| worker | set-ups/s | of the raw loop | CPU µs a set-up | peak MiB | {' | '.join(rates)} |",
        "|---" * (5 + len(rates)) + "|",
    ]
    for name, held in results["peers"].items():
        rate = middle(results, name, "rate")
        share = ratio(results, name, "raw", "rate")
        waits = " | ".join(_waits(results, name, str(at)) for at in results["sizes"]["rates"])
        lines.append(
            f"| {held['title']} | {_number(rate, 0)} | {_number(share, 2)} | {_number(middle(results, name, 'cpu_us'), 1)} "
            f"| {_number(middle(results, name, 'peak_mib'), 0)} | {waits} |"
        )
    return lines


def _unsteady(results: Results) -> list[str]:
    """The figures of which rounds differ by more than `UNSTEADY` times: ratios that rest on them say little."""
    figures = [(("rate",), "set-ups/s", 0)]
    for rate in results["sizes"]["rates"]:
        figures += [(("paced", str(rate), name), f"ms, {rate:,}/s {name}", 1) for name in ("p50", "p99")]
    told = []
    for name, held in results["peers"].items():
        for path, what, digits in figures:
            found = sorted(_rounds(results, name, path).values())
            if found and found[-1] > UNSTEADY * found[0]:
                told.append(f"{held['title']} {' and '.join(_number(value, digits) for value in found)} {what}")
    if not told:
        return []
    return [
        "",
        f"**Rounds differ by more than {UNSTEADY:g} times, so that ratios to these say little: {'; '.join(told)}.**",
    ]


def _notes(results: Results, sizes: dict[str, Any]) -> list[str]:
    lost = sum(
        int(p["lost"]) for h in results["peers"].values() for v in h["visits"] for p in v.get("paced", {}).values()
    )
    lines = [
        (
            f"Medians of {sizes['repeats']} round(s) on a broker that {results['warmed']} visits before have warmed up; in each round every worker is started once, catches up with a backlog of its own "
            f"({sizes['measured']:,} set-ups are timed after {sizes['warm']:,}; {sizes['slow_measured']:,} after {sizes['slow_warm']:,} for the agent per event) "
            f"and then answers paced set-ups. Set-ups of {results['setup_bytes']:.0f} bytes on average come from the simulated traffic. "
            "All decode, count the caller and send one decision, with the same settings of librdkafka "
            "(the Java and aiokafka clients: linger 0, acks of all replicas, the same fetch wait). "
            "Decisions are counted as the broker holds them, processor time and memory are those of the worker's process alone. "
            "A dash: not measured, or too slow for that rate."
        ),
        "",
        (
            f"The full engine's backlog holds {results['records_a_setup']:.2f} records (set-ups, answers, ends) a set-up; "
            "its paced calls are set-ups alone, as for all others. The loop with our engine is fed and sends the same, but keeps no state, commits "
            f"nothing and looks at no delivery: it is what no worker around that engine can be faster than. Set-ups without a decision in all paced runs: {lost}."
        ),
    ]
    lines += [f"\nLeft out or failed: {name}: {reason.splitlines()[0]}" for name, reason in results["left_out"].items()]
    return lines


def _engine(results: Results) -> list[str]:
    engine = results["engine"]
    lines = [
        "## The engine alone",
        "",
        "| batch | set-ups/s a core | µs a set-up | µs a batch | of the codec loop's rate |",
        "|---|---|---|---|---|",
    ]
    for size, us in engine["call_us"].items():
        lines.append(
            f"| {int(size):,} | {1e6 / us:,.0f} | {us:.2f} | {us * int(size):,.0f} | {engine['ratio'][size]:.3f} |"
        )
    lines += [
        "",
        f"The codec loop decodes each set-up and encodes a decision, and does nothing else: {engine['codec_us']:.2f} µs.",
    ]
    return lines


def _memory(results: Results) -> list[str]:
    memory = results["memory"]
    return [
        "## Memory of callers",
        "",
        (
            f"{memory['callers']:,} callers held after {memory['records']:,} records of simulated traffic: {memory['full_mib']:,.0f} MiB resident, "
            f"{memory['above_mib']:,.0f} MiB above the {memory['idle_mib']:,.0f} MiB of an engine that is warm and empty, "
            f"{memory['bytes_a_caller']:,.0f} bytes a caller. A caller is counted once for each origin class he was seen in."
        ),
    ]


def _restore(results: Results) -> list[str]:
    found = results["restore"]
    return [
        "## Restoring",
        "",
        (
            f"{found['callers']:,} callers in 24 partitions, {found['state_mib']:,.0f} MiB of state written in {found['written_s']:.1f} s: "
            f"a worker that gains all of them has the first partition back after {found['first_s']:.1f} s and the last after "
            f"{found['restored_s']:.1f} s; it held at most {found['peak_mib']:,.0f} MiB."
        ),
    ]


def _promises(results: Results) -> list[str]:
    lines = ["## Promises", "", "| | promised | measured | |", "|---|---|---|---|"]
    for promise in judged(results, partial(middle, results), partial(ratio, results)):
        word = "not measured" if promise.kept is None else "pass" if promise.kept else "**miss**"
        lines.append(f"| {promise.number} | {promise.text} | {promise.measured} | {word} |")
    missed = {
        promise.number
        for promise in judged(results, partial(middle, results), partial(ratio, results))
        if promise.kept is False
    }
    for number, cause in CAUSES.items():
        if number in missed:
            lines += ["", f"What is missed of promise {number}: {cause}"]
    lines += [
        "",
        "Checkpoints are on in every figure of the full engine. Promise 5 is shown by the chaos suite (docs/reliability.md), 6 by evaluation.",
    ]
    return lines


if __name__ == "__main__":
    where = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent
    (where / "RESULTS.md").write_text(render(json.loads((where / "results.json").read_text())))
