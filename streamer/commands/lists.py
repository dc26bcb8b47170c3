"""`streamer lists`: numbers that are blocked, allowed, protected and so on."""

from __future__ import annotations

from collections import Counter
from typing import Annotated, Literal

import typer

from streamer.calls.events import ListName
from streamer.commands.desk_options import AsJson, By, Since, Why, group, moment, now_ms
from streamer.commands.printing import print_json, print_table, say
from streamer.settings import load

app = group(
    "Block, allow and other lists. A change is in force in every worker within a second.",
    "streamer lists add block +77011234567 --by analyst-7 --why 'case 1832'",
)

Number = Annotated[list[str], typer.Argument(help="Numbers, or prefixes with --match prefix, in any spelling.")]
Match = Literal["exact", "prefix"]
Side = Literal["caller", "called"]


@app.command(epilog="Example: streamer lists show --list block --json")
def show(
    which: Annotated[ListName | None, typer.Option("--list", help="Only this list.")] = None,
    number: Annotated[str | None, typer.Option(help="Only entries of this number or prefix.")] = None,
    side: Annotated[Side | None, typer.Option(help="Only this side.")] = None,
    as_json: AsJson = False,
) -> None:
    """Show the entries that stand, in the order of their entering."""
    from streamer.desk import entries, listing
    from streamer.desk.record import time_text

    found, now = listing.standing(load(), which=which, number=number, side=side), now_ms()
    if as_json:
        print_json(entries.as_json(one, now) for one in found)
        return
    rows = []
    for at, entry in ((one.at_ms, one.entry) for one in found):
        expired = " (over)" if entry.expires_at is not None and entry.expires_at <= now else ""
        until = time_text(entry.expires_at) + expired
        rows.append((entry.list, entry.match, entry.side, entry.number, entry.trunk or "all", until, time_text(at), entry.by, entry.why))  # fmt: skip
    print_table(("list", "match", "side", "number", "trunk", "until", "entered", "by", "why"), rows)


@app.command(
    epilog="Example: streamer lists add block '8 701 123-45-67' --expires 30d --by analyst-7 --why 'case 1832'"
)
def add(
    which: Annotated[ListName, typer.Argument(metavar="LIST", help="The list's name.")],
    numbers: Number,
    by: By,
    why: Why,
    match: Annotated[Match, typer.Option(help="The whole number, or all that begin so.")] = "exact",
    side: Annotated[Side, typer.Option(help="Of calls from the number, or to it.")] = "caller",
    trunk: Annotated[str | None, typer.Option(help="On this trunk alone.")] = None,
    expires: Annotated[str | None, typer.Option(help="How long (2h, 30d), or until when (ISO 8601).")] = None,
    replace: Annotated[bool, typer.Option("--replace", help="Although another's entry then ends sooner.")] = False,
    as_json: AsJson = False,
) -> None:
    """Enter numbers. What was entered under the same key is replaced, and told; an entry that can never match is refused.

    So is one that would have somebody else's entry end sooner, unless --replace says that this is meant.
    """
    from streamer.desk import entries, listing
    from streamer.desk.record import time_of, time_text

    now = now_ms()
    until = None if expires is None else time_of(expires, now, ahead=True)
    done = listing.enter(
        load(), which, numbers, now, by, why, replace=replace, match=match, side=side, trunk=trunk, expires_at=until
    )
    if as_json:
        print_json(
            {**entries.as_json(one.made, now), "replaced": one.replaced and entries.as_json(one.replaced, now)}
            for one in done
        )
        return
    for one in done:
        say(f"added: {one.made.key}")
        if one.replaced is not None:
            was = one.replaced.entry
            say(f"    replaced: until {time_text(was.expires_at)}, by {was.by or '-'}: {was.why or '-'}")


@app.command(
    epilog="Example: streamer lists remove block +77011234567 --by analyst-7 --why 'redress 77: his own number'"
)
def remove(
    which: Annotated[ListName, typer.Argument(metavar="LIST", help="The list's name.")],
    numbers: Number,
    by: By,
    why: Why,
    match: Annotated[Match | None, typer.Option(help="Only such entries.")] = None,
    side: Annotated[Side | None, typer.Option(help="Only of this side.")] = None,
    trunk: Annotated[str | None, typer.Option(help="Only of this trunk; empty: of those for all trunks.")] = None,
    as_json: AsJson = False,
) -> None:
    """Remove every entry of the numbers, however it was spelled. It is an error when a number has none."""
    from streamer.desk import entries, listing

    now = now_ms()
    gone, (by, why) = listing.withdraw(load(), which, numbers, by, why, match=match, side=side, trunk=trunk)
    if as_json:
        print_json({**entries.as_json(one, now), "removed_by": by, "removed_why": why} for one in gone)
        return
    for one in gone:
        say(f"removed: {one.key} (entered by {one.entry.by or 'nobody named'}: {one.entry.why or 'no reason given'})")


@app.command(epilog="Example: streamer lists prune --ended 7d --by analyst-7 --why 'monthly'")
def prune(
    by: By,
    why: Why,
    ended: Annotated[str, typer.Option(help="Ended longer ago than so long (7d), or before then (ISO 8601).")] = "7d",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count what would be removed.")] = False,
    as_json: AsJson = False,
) -> None:
    """Remove entries that ended long ago: they list nothing any more, but every worker holds them."""
    from streamer.desk import entries, listing
    from streamer.desk.record import time_of

    now = now_ms()
    gone = listing.prune(load(), now, time_of(ended, now), by, why, dry=dry_run)
    if as_json:
        print_json({**entries.as_json(one, now), "removed": not dry_run} for one in gone)
        return
    counts = Counter(one.entry.list for one in gone)
    print_table(("list", "would be removed" if dry_run else "removed"), sorted(counts.items()))
    say(f"{len(gone):,} entries {'would be removed' if dry_run else 'removed'}")


@app.command(epilog="Example: streamer lists history --number +77011234567")
def history(
    number: Annotated[str | None, typer.Option(help="Only of this number or prefix.")] = None,
    which: Annotated[ListName | None, typer.Option("--list", help="Only of this list.")] = None,
    since: Since = None,
    as_json: AsJson = False,
) -> None:
    """Who entered and removed what, when and why, as far back as the topic's compaction has left it.

    Kafka keeps the last record of a key for ever and that of a removed one for a day or longer; what was replaced or
    removed before may be gone.
    """
    import msgspec

    from streamer.desk import listing
    from streamer.desk.record import time_text

    found = listing.past(load(), moment(since, now_ms()) or 0, which=which, number=number)
    if as_json:
        print_json(
            {**one._asdict(), "entry": None if one.entry is None else msgspec.to_builtins(one.entry)} for one in found
        )
        return
    rows = [(time_text(one.at_ms), one.done, one.key, one.by, one.why) for one in found]
    print_table(("when", "what", "entry", "by", "why"), rows)
    if found:
        counts = Counter(one.done for one in found)
        say(", ".join(f"{n} {done}" for done, n in counts.items()), err=True)
