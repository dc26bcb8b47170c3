"""The page that explains every detector: what it looks at, what it leads to, where its thresholds begin, how it fails."""

from __future__ import annotations

from typing import Final

from streamer.counting import LIMITS
from streamer.detectors import DETECTORS
from streamer.detectors.base import Detector

_OPENING: Final = """# Detectors
Written by `streamer detectors` from the detectors themselves (`streamer/detectors`, one file a fraud). A detector looks at one
call and what is known of its caller and finds a cause, or nothing; the policy says what a cause leads to, in which mode the
detector runs (`off`, `shadow`, `enforce`) and what its thresholds are (`streamer policy`, [desk.md](desk.md)); what stands
here is where they begin. *Origin* detectors judge where a call comes from: no allow list exempts from them and the governor
never demotes them. *Behaviour* detectors judge what a caller does: allow lists exempt from them, the governor demotes one that
asks to block too many lines in good standing, and one block in a hundred is let through as `label`, marked `control`, so that
it can be measured: drawn by a keyed hash of the call's id, numbers and time, so that no caller can keep what was drawn, and never
of calls that a switch refused from its cache. For how long switches may repeat a block (`cache_s`) is policy only where it says below that they may: no
block for where a call comes from, or for whom it calls, says anything of the caller's other calls. Calls to emergency numbers are never touched.

| detector | kind | causes and what they lead to |
|---|---|---|
"""
_COUNTED: Final = """
# What is counted over all partitions
Some detectors judge by signals, which tell of called numbers, trunks, blocks of numbers and own lines that stand out over all
partitions, and cases are made of these ([cases.md](cases.md)). From when on things count and are told of is policy too:
`streamer policy set counting.burst_callers=6 --by WHO --why TEXT`. Scorers count by the limits in force at each record, whoever merges their counts
by those in force when they come. Limits of what is told of decide what detectors and cases can see at all: none of these finds
anything on a subject below them.

| limit | value | bounds | meaning |
|---|---|---|---|
"""


def page() -> str:
    """The whole page, Markdown."""
    rows = [
        f"| [`{one.id}`](#{one.id}) | {one.kind} | {', '.join(f'`{c.name}`: {c.action}' for c in one.causes)} |"
        for one in DETECTORS
    ]
    return _OPENING + "\n".join(rows) + "\n" + "".join(map(_section, DETECTORS)) + _counted()


def _section(one: Detector) -> str:
    said = "\n".join(line.strip() for line in one.doc.strip().splitlines())
    causes = [f"- `{one.id}.{cause.name}` ({cause.action}): {cause.meaning}" for cause in one.causes]
    limits = ", ".join(f"`{name}` {value:g}" for name, value in one.thresholds.items())
    ending = f"Thresholds: {limits}." if limits else "It has no thresholds."
    if one.deferred:
        ending += " What it finds is not acted on at once: the call is let through, or labelled for another reason, and one `block` may revise that."
    if one.cache_s:
        ending += f" A switch may repeat its block for {one.cache_s} s."
    return f"\n## {one.id}\n{said}\n\n" + "\n".join(causes) + f"\n\n{ending}\n"


def _counted() -> str:
    rows = [
        f"| `{name}` | {it.default:g} | {it.least:g} to {it.most:,.0f} | {it.meaning} |" for name, it in LIMITS.items()
    ]
    return _COUNTED + "\n".join(rows) + "\n"
