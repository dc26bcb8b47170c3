"""What operators publish: call events, facts about their lines, operators, trunks, lists, feedback.

Every message is a frozen, typed struct; `streamer.calls.codec` is the only place that turns bytes into them.
Times are integers, milliseconds since 1970-01-01 UTC. Numbers are strings as the signalling carried them.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal

from msgspec import Meta, Struct

CallId = Annotated[str, Meta(min_length=1, max_length=255, description="the call's id at the operator that reports it")]
LATEST_MS: Final = 4_102_444_800_000
"""The latest time that a message may carry: the end of the year 2099."""
SAME_CALL_MS: Final = 120_000
"""A call is (operator, call id) within so much of event time; the same id after that is a new call."""
SHORT_MS: Final = 6_000
"""A talk of less is short."""
CLAMP_BACK_MS: Final = 300_000
"""`at` is taken to be at most so long before the append time of its record,"""
CLAMP_AHEAD_MS: Final = 5_000
"""and at most so long after it."""
SKEW_MS: Final = 60_000
"""How far the clocks of workers and brokers may differ."""
Millis = Annotated[int, Meta(ge=0, le=LATEST_MS, description="milliseconds since 1970-01-01 UTC")]
Duration = Annotated[int, Meta(ge=0, le=2_678_400_000, description="milliseconds")]
Caller = Annotated[str, Meta(description="calling number as it came from the signalling, of any length; may be empty")]
"""Of any length, since whoever calls can write of it what he likes, and a call that is refused is not judged."""
Callee = Annotated[str, Meta(min_length=1, description="called number as it came from the signalling, of any length")]
LONGEST_REPEATED: Final = 255
"""Characters at most of a calling and a called number, and of a caller key, where something is said of a call: that has its bounds."""
RepeatedCaller = Annotated[
    str,
    Meta(
        max_length=LONGEST_REPEATED,
        description="calling number as it came; one of more than 255 characters in its one spelling, "
        "cut off after so many; may be empty",
    ),
]
RepeatedCallee = Annotated[
    str, Meta(min_length=1, max_length=LONGEST_REPEATED, description="called number, likewise; never empty")
]
Operator = Annotated[str, Meta(min_length=1, max_length=64, description="who reports")]
Opaque = str
"""Of any form and length: nothing that a caller can write into an optional field may keep his call from being judged."""
Country = Annotated[str, Meta(description="ISO 3166-1 alpha-2")]
Line = Annotated[str, Meta(description="a number as it came from the signalling")]
Range = Annotated[str, Meta(description="how numbers begin: E.164 with +, or as dialled in the home country")]


class Setup(Struct, frozen=True, kw_only=True, gc=False, tag="setup", tag_field="type"):
    """A call is being set up: the event that asks for a verdict (an IAM or an INVITE)."""

    call_id: CallId
    at: Millis
    operator: Operator
    caller: Caller
    callee: Callee
    ingress: Literal["subscriber", "national", "international"]
    trunk: Opaque | None = None
    ingress_country: Country | None = None
    asserted: Line | None = None
    diverted_from: Line | None = None
    imsi: Opaque | None = None
    imei: Opaque | None = None
    cell: Opaque | None = None
    attestation: Literal["A", "B", "C"] | None = None
    identity: Opaque | None = None
    user_agent: Opaque | None = None
    cached: bool | None = None


class Answer(Struct, frozen=True, kw_only=True, gc=False, tag="answer", tag_field="type"):
    """The called party took the call (an ANM or a 200)."""

    call_id: CallId
    at: Millis
    operator: Operator
    caller: Caller
    callee: Callee
    ring_ms: Duration | None = None
    asserted: Line | None = None
    imsi: Opaque | None = None
    imei: Opaque | None = None
    cell: Opaque | None = None


class End(Struct, frozen=True, kw_only=True, gc=False, tag="end", tag_field="type"):
    """The call is over (a REL or a BYE), answered or not."""

    call_id: CallId
    at: Millis
    operator: Operator
    caller: Caller
    callee: Callee
    ring_ms: Duration | None = None
    talk_ms: Duration = 0
    cause: Annotated[int, Meta(ge=0, le=127, description="Q.850 cause value")] | None = None
    released_by: Literal["caller", "callee", "network"] | None = None
    asserted: Line | None = None
    imsi: Opaque | None = None
    imei: Opaque | None = None
    cell: Opaque | None = None


CallEvent = Setup | Answer | End


FACT_VALUES: Final[dict[str, tuple[str, ...]]] = {"location": ("home", "roaming"), "line": ("active", "inactive")}
"""The words of facts that say one of a few; any other says that nothing is known."""


class SubscriberFact(Struct, frozen=True, kw_only=True):
    """What an operator knows of its own line; one topic a fact, a tombstone forgets it."""

    number: Annotated[str, Meta(min_length=1, max_length=64)]
    at: Millis
    fact: Literal["location", "line", "sim", "device", "holder", "network"]
    value: Annotated[
        str,
        Meta(
            max_length=255,
            description="location: home or roaming (with `country`); line: active or inactive (`since` when); sim: changed, at `at`; "
            "device: the IMEI; holder: a pseudonym of the contract's holder; network: ported, with `owner`, the operator that has "
            "the number now. Another word on location and line says that nothing is known",
        ),
    ]
    operator: Operator
    country: Country | None = None
    since: Millis | None = None
    owner: Annotated[str, Meta(max_length=64)] | None = None


class OperatorInfo(Struct, frozen=True, kw_only=True):
    """An operator that takes part: its ranges, what it publishes, how far its verdicts may go."""

    operator: Operator
    name: str = ""
    ranges: list[Range] = []
    publishes_originations: bool = False
    publishes_locations: bool = False
    mode: Literal["off", "shadow", "enforce"] = "enforce"
    fail: Literal["open"] = "open"
    deadline_ms: Annotated[int, Meta(ge=1, le=60_000)] = 300
    max_share: Annotated[float, Meta(gt=0, le=1)] = 1.0


class TrunkInfo(Struct, frozen=True, kw_only=True):
    """An interconnect trunk and who is on its other end."""

    trunk: Annotated[str, Meta(min_length=1, max_length=255)]
    operator: Operator
    partner: str = ""
    kind: Literal["direct", "transit", "international", "enterprise"] = "transit"
    ranges: list[Range] = []


ListName = Literal[
    "block",
    "allow",
    "do_not_originate",
    "unallocated",
    "premium",
    "emergency",
    "protected",
    "roaming_numbers",
    "allocated",
]


class ListEntry(Struct, frozen=True, kw_only=True):
    """One entry of a list of numbers or prefixes. Its key is `list/match/side/trunk/number`."""

    list: ListName
    match: Literal["exact", "prefix"]
    number: Annotated[str, Meta(min_length=1, max_length=64)]
    side: Literal["caller", "called"]
    trunk: Opaque | None = None
    expires_at: Millis | None = None
    by: Annotated[str, Meta(max_length=255)] = ""
    why: Annotated[str, Meta(max_length=4096)] = ""

    @property
    def key(self) -> str:
        """The record key on `lists.v1`; an entry for all trunks has an empty trunk."""
        return f"{self.list}/{self.match}/{self.side}/{self.trunk or ''}/{self.number}"


FraudType = Literal[
    "cli_spoofing",
    "unverified_origin",
    "number_invalid",
    "trunk_mismatch",
    "neighbour_spoofing",
    "number_rotation",
    "robocall",
    "scam_centre",
    "wangiri",
    "irsf",
    "pbx_hacking",
    "sim_box",
    "tdos",
    "range_probing",
    "sim_swap",
    "flash_call",
]


class Feedback(Struct, frozen=True, kw_only=True, rename={"from_": "from"}):
    """What someone who knows says of a call or a line: the labels the model learns from."""

    caller: RepeatedCaller
    at: Millis
    label: Literal["fraud", "legitimate"]
    source: Literal["police", "operator", "bank", "analyst", "honeypot", "subscriber"]
    callee: RepeatedCaller | None = None
    call_id: CallId | None = None
    from_: Millis | None = None
    to: Millis | None = None
    scope: Literal["call", "line"] = "call"
    fraud_type: FraudType | None = None
    by: Annotated[str, Meta(max_length=255)] = ""
    note: Annotated[str, Meta(max_length=4096)] = ""
