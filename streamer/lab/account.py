"""What became of a replay, in words."""

from __future__ import annotations

from streamer.lab.history import History
from streamer.lab.ordering import late_said


def said(history: History) -> list[str]:
    """What was done: for standard output."""
    source, summary, order = history.source, history.summary, history.order
    found = []
    if history.interrupted:
        found.append(
            f"interrupted: of {source.made:,} messages read, {source.made - summary.published:,} were not sent on"
        )
    if history.resumed_at is not None:
        twice = (
            f"; {summary.found:,} messages lay in the log already and were not published again" if summary.found else ""
        )
        found.append(f"went on behind {history.resumed_at:,} messages{twice}; all counts are of the whole")
    setups = f"{summary.setups:,} set-ups"
    found.append(
        f"{source.records:,} records read; {summary.published:,} messages, {setups}; home country {order.home}"
    )
    if history.waited:
        actions = ", ".join(f"{action} {count:,}" for action, count in summary.actions.most_common())
        where = f", written to {order.decisions}" if order.decisions else ""
        found.append(f"{summary.decided:,} decided ({actions or 'none'}){where}; {summary.undecided:,} undecided")
    if source.out_of_order:
        found.append(late_said(source.out_of_order))
    if order.mapping is not None and order.mapping.unchecked:
        found.append(
            f"{order.mapping.unchecked:,} numbers were given to pseudonyms without a look at whether they are taken"
        )
    return found


def warned(history: History) -> list[str]:
    """What went wrong: for standard error."""
    summary = history.summary
    found = []
    if history.waited and summary.undecided and not history.interrupted:
        found.append(
            "no worker answered in time: see that one runs (`streamer worker --no-clamp`), or raise --patience"
        )
    if summary.unconfirmed:
        found.append(f"{summary.unconfirmed:,} messages may not have reached the brokers")
    if summary.clamped:
        found.append(
            f"{summary.clamped:,} decisions are for the time of arrival, not for the time of the call, so that windows"
            " differ: start the workers with --no-clamp"
        )
    if summary.moved:
        found.append(
            f"{summary.moved} partitions went to another worker meanwhile, with windows that began empty there: for the"
            " engine's decisions begin when no worker joins or leaves any more"
        )
    if summary.callers_evicted or summary.calls_evicted:
        found.append(
            f"{summary.callers_evicted:,} callers and {summary.calls_evicted:,} calls were forgotten before their time, as"
            " the tables were full: verdicts may differ from those with room for all (settings max_callers, max_calls)"
        )
    if summary.dead_letters:
        found.append(f"{summary.dead_letters:,} of the messages became dead letters: see the topic calls.v1.dlq")
    if history.interrupted and history.order.resume is not None:
        found.append(f"the same command goes on from the last save in {history.order.resume}")
    return [*found, *history.bad.lines()]
