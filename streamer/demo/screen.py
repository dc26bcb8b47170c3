"""The live screen of the demonstration, and its summary in plain lines."""

from __future__ import annotations

import time
from typing import Final

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table

from streamer.demo.watch import Watch


def lines(watch: Watch) -> list[str]:
    """What stands at the moment, in words."""
    now = time.time()
    actions = ", ".join(f"{action} {n}" for action, n in sorted(watch.actions.items())) or "none yet"
    found = [
        f"{watch.rate(now):,.0f} verdicts/s; {watch.decided:,} of {watch.published:,} set-ups decided",
        f"actions: {actions}; honest calls blocked: {watch.wrong}",
        f"published to verdict read: p50 {watch.percentile(0.5):.1f} ms, p99 {watch.percentile(0.99):.1f} ms",
    ]
    turn = watch.score_turn()
    if turn is None:
        found.append(
            f"model: {watch.model or 'none yet, the trainer gathers its first cases'}; reports from banks: {watch.reports}"
        )
    else:
        found.append(
            f"model {watch.model} after {watch.reports} reports: the scam centre's calls score {turn[0]:.3f} at first, "
            f"{turn[1]:.3f} now; honest calls {turn[2]:.3f} and {turn[3]:.3f}"
        )
    return found


_AROUND: Final = 18
"""Lines of the screen that are neither a reason nor a call, the head's folded ones included."""


def render(watch: Watch, left_s: float, height: int = 50) -> RenderableType:
    """The screen for a terminal of so many lines: the latest calls first, then what room there is for reasons."""
    room = max(2, height - _AROUND)
    calls = min(8, max(1, room // 3))
    reasons = Table(title="Blocked or labelled because of", expand=True)
    reasons.add_column("reason")
    reasons.add_column("calls", justify="right")
    for reason, n in watch.reasons.most_common(max(1, min(8, room - 2 * calls))):
        reasons.add_row(reason, f"{n:,}")
    latest = Table(title="Latest blocked calls and why", expand=True)
    latest.add_column("call: observed (threshold, window)", overflow="fold")
    for text in list(reversed(watch.blocked))[:calls]:
        latest.add_row(text)
    head = Panel("\n".join(lines(watch)), title=f"streamer demo · {left_s:.0f} s left · Ctrl-C ends it")
    return Group(head, reasons, latest)


def summary(watch: Watch) -> list[str]:
    """The last words of a run."""
    first = (
        "no verdict was read"
        if watch.first_verdict_s is None
        else f"first verdict {watch.first_verdict_s:.1f} s after the start"
    )
    top = ", ".join(f"{reason} {n}" for reason, n in watch.reasons.most_common(6)) or "none"
    return [
        "summary",
        first,
        *lines(watch),
        f"reasons: {top}",
        *[f"blocked {text}" for text in list(watch.blocked)[-3:]],
    ]
