"""`streamer cases`: SIM boxes, call centres, trunks and number blocks in a campaign, victims; and packs of evidence of them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from streamer.calls.cases import CaseStatus
from streamer.calls.events import FraudType
from streamer.commands.desk_options import AsJson, By, Since, Until, Why, group, moment, now_ms
from streamer.commands.printing import print_json, print_table, say
from streamer.errors import DeskError
from streamer.settings import load

if TYPE_CHECKING:
    from streamer.desk.filing import Filed

app = group(
    "Cases: what the police and the operators act on, each with the measure that is proposed and its evidence.",
    "streamer cases list --status open",
)

Named = Annotated[str, typer.Argument(metavar="CASE", help="Its id, or how that begins where only one begins so.")]


@app.command("list", epilog="Example: streamer cases list --kind sim_box --status open --operator op-a --since 7d")
def show_all(
    kind: Annotated[FraudType | None, typer.Option(help="Only of this fraud.")] = None,
    status: Annotated[CaseStatus | None, typer.Option(help="Only open or closed ones.")] = None,
    operator: Annotated[str | None, typer.Option(help="Only those that this operator saw.")] = None,
    since: Since = None,
    as_json: AsJson = False,
) -> None:
    """List the cases, in the order of their opening; --since by when their subjects were last seen at it."""
    from streamer.desk import casework, filing
    from streamer.desk.record import time_text

    asked = {"kind": kind, "status": status, "operator": operator}
    found = filing.matching(casework.cases(load(), told=as_json).values(), since_ms=moment(since, now_ms()), **asked)
    if as_json:
        print_json(filing.as_json(one) for one in found)
        return
    rows = [
        (case.case, case.kind, case.measure, case.status, ",".join(case.operators), case.calls, case.victims or None, time_text(case.heard_at))
        for case, _, _ in found
    ]  # fmt: skip
    print_table(("case", "fraud", "measure", "status", "operators", "calls", "victims", "last seen"), rows)


@app.command(epilog="Example: streamer cases show imei/356938035643809")
def show(case: Named, as_json: AsJson = False) -> None:
    """Show a case: its figures with their bounds, ids of its calls, and what was done to it, when, by whom and why."""
    from streamer.desk import casework, filing

    found = filing.named(casework.cases(load(), of=case), case)
    if as_json:
        print_json([filing.as_json(found)])
        return
    _show(found)


def _show(found: Filed) -> None:
    from streamer.desk import filing
    from streamer.desk.packs import bounds
    from streamer.desk.record import time_text

    case = found.case
    say(f"case {case.case}: {case.kind}, {case.measure}, {case.status}")
    say(f"  seen by {', '.join(case.operators) or 'nobody named'}: {filing.size(case)}")
    first, last = time_text(case.first_at), time_text(case.heard_at)
    say(f"  opened {time_text(case.opened_at)}, counted from {first}, last seen {last}")
    if case.policy:
        say(f"  by policy {case.policy}")
    figures = [(one.what, f"{one.observed:g}", bounds(one.least, one.most)) for one in case.grounds]
    print_table(("figure", "observed", "bound"), figures, indent=2)
    done = [(time_text(one.at_ms), one.what, one.by, one.why) for one in found.done]
    print_table(("when", "what", "by", "why"), done, indent=2)
    if case.called:
        say(f"  called: {', '.join(case.called)}")
    if case.lines:
        say(f"  lines: {', '.join(case.lines)}")
    say(f"  calls: {', '.join(case.evidence) or 'none named'}")


@app.command(epilog="Example: streamer cases close imei/356938035643809 --by analyst-7 --why 'SIMs barred'")
def close(case: Named, by: By, why: Why, as_json: AsJson = False) -> None:
    """Close a case. It stays closed whatever its subject does, until a stronger measure is due or it was silent for a week."""
    _turn(case, "closed", by, why, as_json=as_json)


@app.command(
    epilog="Example: streamer cases reopen imei/356938035643809 --by analyst-7 --why 'it moved to other cells'"
)
def reopen(case: Named, by: By, why: Why, as_json: AsJson = False) -> None:
    """Open a closed case again."""
    _turn(case, "open", by, why, as_json=as_json)


def _turn(case: str, status: CaseStatus, by: str, why: str, *, as_json: bool) -> None:
    import msgspec

    from streamer.desk import casework

    made = casework.turn(load(), case, status, by, why, now_ms())
    if as_json:
        print_json([msgspec.to_builtins(made)])
        return
    say(f"{'closed' if status == 'closed' else 'open again'}: {made.case}")


@app.command(epilog="Example: streamer cases export imei/356938035643809 --out case-1832.zip")
def export(
    case: Named,
    out: Annotated[Path | None, typer.Option(help="The file; made of the case's id by default.")] = None,
    until: Until = None,
    as_json: AsJson = False,
) -> None:
    """Write an evidence pack: a ZIP file with the case, its calls, their verdicts, reasons and features, and a time line.

    Decisions are kept for an hour, evidence for 30 days; both are read from the case's first call on, or up to --until. A
    file that is there already is not written over. Its SHA-256 digest is printed: give it to whoever gets the pack, by
    another way.
    """
    from streamer.desk import casework, filing, packs

    settings = load()
    found = filing.named(casework.cases(settings, of=case), case)
    calls = casework.calls(settings, found.case, moment(until, now_ms()))
    content = packs.packed(found, calls)
    file = Path(packs.file_name(found.case.case)) if out is None else out
    _write(file, content)
    checked = packs.checked(content)
    there = sum(bool(one.calls or one.alone) for one in calls.values())
    if as_json:
        print_json([{"file": str(file), "calls": len(calls), "calls_found": there, **checked._asdict()}])
        return
    say(f"{file}: {len(content):,} bytes, {there} of {len(calls)} calls found in the logs")
    say(f"sha256 {checked.sha256}")


def _write(file: Path, content: bytes) -> None:
    try:
        with file.open("xb") as held:
            held.write(content)
    except FileExistsError:
        raise DeskError(f"{file} is there already; --out names another file") from None
    except OSError as error:
        raise DeskError(f"{file} cannot be written: {error.strerror}") from None


@app.command(epilog="Example: streamer cases verify case-1832.zip --sha256 9f86d081884c7d65…")
def verify(
    pack: Annotated[Path, typer.Argument(help="The ZIP file.")],
    sha256: Annotated[str | None, typer.Option(help="Its digest, as it was told when it was written.")] = None,
    as_json: AsJson = False,
) -> None:
    """Say whether a pack is as it was written; the exit code is 1 when a single byte of it is not.

    Whoever changes a member can write its digest in the pack anew: only --sha256 tells that.
    """
    from streamer.desk import packs

    try:
        with pack.open("rb") as file:
            content = file.read(packs.LARGEST + 1)
    except OSError as error:
        raise DeskError(f"{pack} cannot be read: {error.strerror}") from None
    try:
        checked = packs.checked(content)
    except DeskError as error:
        raise DeskError(f"{pack}: {error}") from None
    flaws = list(checked.flaws)
    if sha256 is not None and sha256.strip().lower() != checked.sha256:
        flaws.append(f"its digest is {checked.sha256}, not the one given")
    if as_json:
        told: dict[str, Any] = checked._asdict() | {"flaws": flaws}
        print_json([told])
    else:
        for flaw in flaws:
            say(f"{pack}: {flaw}")
        if not flaws:
            digest = "as given" if sha256 is not None else checked.sha256
            say(f"{pack}: {len(checked.members)} members as they were written; sha256 {digest}")
    if flaws:
        raise typer.Exit(1)
