"""The bar of every fraud type: which of its calls count, what has to be done to them, and to how many of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal, NamedTuple, get_args

from streamer.calls.decisions import ACTIONS, Action
from streamer.calls.events import FraudType


class Bar(NamedTuple):
    """What has to be shown of a fraud type.

    Attributes
    ----------
    action
        The counted one: it, or a more severe one, has to be taken.
    after
        A campaign's first so many calls do not count (`of` ``trunk``: those of its trunk; ``victim``: those to the first so
        many called lines of its trunk).
    target
        Part of the counted calls; of a `sim_box`, see `calls`.
    revised
        Whether a revision to `block` counts as one.
    known
        A feature that has to be known of a call for it to count.
    milder
        A feature, and its values at which `action` is asked for; at all others a `label` is enough.
    calls
        Instead of the part: each line is a campaign, and the median of its calls until the first block may be so many at most,
        over the lines that were blocked or made more calls than that.
    said
        What the row says besides, for the report.
    """

    fraud: FraudType
    action: Action
    target: float
    after: int = 0
    of: Literal["campaign", "trunk", "victim"] = "campaign"
    revised: bool = False
    known: str | None = None
    milder: tuple[str, tuple[float, ...]] | None = None
    calls: int | None = None
    said: str = ""

    def counts(self, features: Mapping[str, float | None]) -> bool:
        """Whether a call with these features is one that the bar is about."""
        return self.known is None or features.get(self.known) is not None

    def met(self, action: Action, features: Mapping[str, float | None]) -> bool:
        """Whether `action` is severe enough for such a call.

        >>> BARS["trunk_mismatch"].met("label", {"trunk_kind": 2.0}), BARS["trunk_mismatch"].met("label", {"trunk_kind": 1.0})
        (True, False)
        """
        wanted = self.action
        if self.milder is not None and features.get(self.milder[0]) not in self.milder[1]:
            wanted = "label"
        return ACTIONS.index(action) >= ACTIONS.index(wanted)


_BARS: Final = (
    Bar("cli_spoofing", "block", 0.99, known="caller_roaming", said="calls whose location fact is fresh"),
    Bar("unverified_origin", "block", 0.95, revised=True, said="revisions included"),
    Bar("number_invalid", "block", 0.99),
    Bar(
        "trunk_mismatch", "block", 0.99, milder=("trunk_kind", (1.0, 4.0)),
        said="block on direct and enterprise trunks, label for refiling",
    ),
    Bar("neighbour_spoofing", "label", 0.9, 50, "trunk"),
    Bar("number_rotation", "block", 0.9, 1, "victim", said="from the second victim on the same trunk"),
    Bar("robocall", "block", 0.95, 20),
    Bar("scam_centre", "block", 0.95, 20),
    Bar("wangiri", "block", 0.95, 20),
    Bar("irsf", "block", 0.95, 20),
    Bar("pbx_hacking", "block", 0.95, 20),
    Bar("sim_box", "block", 0.95, 60, calls=60, said="of a SIM until its first block; recall is of what comes after"),
    Bar("tdos", "block", 0.9, 50),
    Bar("range_probing", "block", 0.95, 20),
    Bar("sim_swap", "label", 0.95),
    Bar("flash_call", "label", 0.9),
)  # fmt: skip

BARS: Final[dict[FraudType, Bar]] = {bar.fraud: bar for bar in _BARS}
"""By fraud type, in the order of the contract; for the parameters that are published of each."""

assert tuple(BARS) == get_args(FraudType), "every fraud type has its bar"
