"""`streamer lists`: numbers that are blocked, allowed, protected and so on."""

from __future__ import annotations

from collections import Counter
from typing import Annotated, Any, Literal

import typer

from streamer.calls.events import ListName
from streamer.commands.desk_options import AsJson, By, Since, Why, group, now_ms, print_json, print_table
from streamer.errors import DeskError
from streamer.settings import Settings, load

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
    from streamer.calls.numbers import home_plan
    from streamer.desk import entries
    from streamer.desk.record import time_text

    settings, now = load(), now_ms()
    found = entries.matching(
        entries.held(_log(settings)), home_plan(settings.home), which=which, number=number, side=side
    )
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
    as_json: AsJson = False,
) -> None:
    """Enter numbers. What was entered under the same key is replaced; an entry that can never match is refused."""
    from streamer.calls.codec import encode
    from streamer.calls.numbers import home_plan
    from streamer.desk import entries
    from streamer.desk.record import answerable, signed, time_of
    from streamer.kafka.sending import Outgoing, send
    from streamer.kafka.topics import Topics

    settings, now = load(), now_ms()
    by, why = answerable(by, why)
    until = time_of(expires, now, ahead=True) if expires else None
    plan, topic = home_plan(settings.home), Topics(settings).lists
    made = [
        entries.entry(which, number, plan, now, match=match, side=side, trunk=trunk, expires_at=until, by=by, why=why)
        for number in numbers
    ]
    send(settings, [Outgoing(topic, one.key.encode(), encode(one), signed(by, why)) for one in made])
    if as_json:
        print_json(entries.as_json(entries.Held(one.key, one, now), now) for one in made)
        return
    for one in made:
        typer.echo(f"added: {one.key}")


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
    from streamer.calls.numbers import home_plan
    from streamer.desk import entries
    from streamer.desk.record import answerable, signed
    from streamer.kafka.sending import Outgoing, send
    from streamer.kafka.topics import Topics

    settings, now = load(), now_ms()
    by, why = answerable(by, why)
    plan, held = home_plan(settings.home), entries.held(_log(settings))
    gone: list[entries.Held] = []
    for number in numbers:
        found = entries.matching(held, plan, which=which, number=number, match=match, side=side, trunk=trunk)
        if not found:
            raise DeskError(f"{number!r} has no such entry on the list {which}; nothing was removed")
        gone += [one for one in found if one not in gone]
    send(settings, [Outgoing(Topics(settings).lists, one.key.encode(), None, signed(by, why)) for one in gone])
    if as_json:
        print_json({**entries.as_json(one, now), "removed_by": by, "removed_why": why} for one in gone)
        return
    for one in gone:
        typer.echo(
            f"removed: {one.key} (entered by {one.entry.by or 'nobody named'}: {one.entry.why or 'no reason given'})"
        )


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

    from streamer.calls.numbers import home_plan
    from streamer.desk import entries
    from streamer.desk.record import time_of, time_text

    settings = load()
    plan, begin = home_plan(settings.home), time_of(since, now_ms()) if since else 0
    found = [one for one in entries.history(_log(settings)) if one.at_ms >= begin]
    if number is not None or which is not None:
        found = [
            one
            for one in found
            if (one.entry and entries.matching([entries.Held(one.key, one.entry, 0)], plan, which=which, number=number))
            or (not one.entry and (which is None or one.key.startswith(f"{which}/")) and _ends(one.key, number))
        ]
    if as_json:
        print_json(
            {**one._asdict(), "entry": None if one.entry is None else msgspec.to_builtins(one.entry)} for one in found
        )
        return
    rows = [(time_text(one.at_ms), one.done, one.key, one.by, one.why) for one in found]
    print_table(("when", "what", "entry", "by", "why"), rows)
    if found:
        counts: Any = Counter(one.done for one in found)
        typer.echo(", ".join(f"{n} {done}" for done, n in counts.items()), err=True)


def _ends(key: str, number: str | None) -> bool:
    return number is None or key.endswith(f"/{number}")


def _log(settings: Settings) -> Any:
    from streamer.kafka.logs import read
    from streamer.kafka.topics import Topics

    return read(settings, Topics(settings).lists)
