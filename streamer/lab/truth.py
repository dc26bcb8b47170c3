"""What is known to be true of a call: the label that its verdict is measured against."""

from __future__ import annotations

from msgspec import Struct

from streamer.calls.events import FraudType


class Truth(Struct, frozen=True):
    """The truth about one set-up, as one line of a truth file has it.

    `campaign` names the undertaking that the call belongs to, which may show number after number; `kind` says what kind of
    line an honest caller has, in words of the traffic's maker.
    """

    call_id: str
    fraud: FraudType | None = None
    campaign: str | None = None
    kind: str | None = None
