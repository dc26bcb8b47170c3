"""The report's part on cases: which campaigns end in one, after how many calls, and which ones are about honest subjects."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from streamer.lab.evaluation.case_figures import MOST_CALLS, PROPOSED, CaseFigure, CaseFigures
from streamer.lab.evaluation.pages import Heading, Part, Table, Text
from streamer.lab.evaluation.spread import pair

_STANDINGS: Final = {"met": "met", "missed": "*missed*", "no bar": "", "none counts": "too few calls to tell"}


def parts(found: CaseFigures) -> Iterator[Part]:
    """What cases came of the calls."""
    yield Heading("Cases")
    yield Text(
        "What the signals say is made into cases beside the calls, by the same rules as live (docs/cases.md). A campaign counts once it"
        " has made as many calls as its bar of verdicts lets pass; of a SIM box each SIM is one. *Until the case* are the median"
        " and the ninth decile, over these campaigns, of their calls until a case that proposes more than to watch was published,"
        " ∞ where more never had one. A case is right where half of its lines are a fraud's; of a trunk, a block or a called number"
        " where some calls are the fraud's that it names, or a tenth of those that it counts are any fraud's."
    )
    yield Table(
        ("fraud type", "strongest measure", "campaigns ", "with a case ", "watched at least ", "calls until the case ",
         "seconds until the case ", "taken for", ""),
        [_row(one) for one in found.frauds],
    )  # fmt: skip
    total, wrong = sum(found.opened.values()), sum(found.wrong.values())
    yield Text(
        f"Of {total:,} cases, each counted with every measure that it came to and none that was opened while windows filled, {wrong:,}"
        " were about honest subjects."
    )
    if wrong:
        yield Table(
            ("subject", "fraud type", "measure", "most of its calls or lines", "wrong cases "),
            [
                (one.subject, f"`{one.fraud}`", f"`{one.measure}`", one.kind, f"{count:,}")
                for one, count in found.wrong.items()
            ],
        )


def _row(one: CaseFigure) -> tuple[str, ...]:
    main = one.adversary == one.fraud
    most = MOST_CALLS.get(one.fraud)
    standing = _STANDINGS[one.standing]
    if main and most is not None:
        standing = f"{standing} (median of at most {most} calls)"
    return (
        f"`{one.fraud}`" if main else f"→ `{one.adversary}`",
        f"`{PROPOSED[one.fraud]}`" if one.fraud in PROPOSED else "",
        f"{one.campaigns:,}",
        f"{one.with_case:,}",
        f"{one.watched:,}",
        pair(one.first_calls),
        pair(one.first_s),
        ", ".join(f"`{fraud}` {count:,}" for fraud, count in sorted(one.seen_as.items())),
        standing,
    )
