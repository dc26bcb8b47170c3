"""What each topic carries: messages, keys, headers, who sends and who receives. The AsyncAPI document is made of it."""

from __future__ import annotations

from typing import Final, NamedTuple


class Channel(NamedTuple):
    """What a topic carries: its attribute of `Topics`, its messages with the key of each, whether scorer and trainer
    receive or send it, and what to know of it.
    """

    topic: str
    messages: tuple[tuple[str, str], ...]
    receives: bool
    sends: bool
    note: str
    headers: tuple[tuple[str, str], ...] = ()


_BY_HAND: Final = (
    ("by", "who changed it by hand; ASCII, all else and `%` percent-encoded UTF-8; also of a tombstone"),
    ("why", "why, written likewise"),
)
_SOURCE: Final = (
    ("source.partition", "partition of the set-up that is answered, ASCII decimal"),
    ("source.offset", "offset of the set-up that is answered, ASCII decimal"),
)
_REKEYED: Final = (
    ("rekeyed", "`1` when the record was produced again into the partition of its caller key"),
    ("source.partition", "partition of the original of a rekeyed record, ASCII decimal"),
    ("source.offset", "offset of the original of a rekeyed record, ASCII decimal"),
)
DEAD_LETTER: Final = (
    (
        "error.reason",
        "short code: too_large, not_json, missing_field, wrong_type, out_of_range, unknown_type, unknown_value, misplaced",
    ),
    ("error.message", "what is wrong and where"),
    ("source.topic", "topic of the record"),
    ("source.partition", "partition of the record, ASCII decimal"),
    ("source.offset", "offset of the record, ASCII decimal"),
    (
        "error.truncated",
        "of a value too large to be sent on, of which only the beginning is here: its length, ASCII decimal",
    ),
    ("error.truncated.key", "likewise of a key"),
    (
        "error.truncated.headers",
        "how many headers that the record came with are left out, for want of room, ASCII decimal",
    ),
    ("replayed.offset", "of a note, which has no value and no error: offset of the dead letter that was sent again"),
    *_BY_HAND,
)
"""Headers of a dead letter, and of the note beside one that was sent again."""
_SWITCHED: Final = (
    *_BY_HAND,
    ("kill-switch", "the mode that the operator's kill switch took the place of; absent while that is off"),
)
_AGAIN: Final = (
    ("replayed", "how often the record was sent again after it had been a dead letter, ASCII decimal; absent: never"),
    ("replayed.from", "topic/partition/offset of the dead letter"),
    ("replayed.by", "who sent it again"),
)
_NUMBER_KEY: Final = "the normalised number; a tombstone forgets the fact"
_CALLER_KEY: Final = "the caller key: see caller-key-vectors.json"


def _fact(name: str) -> Channel:
    note = f"`{name}` facts: what operators know of their own lines. Compacted."
    return Channel(name, (("subscriber-fact", _NUMBER_KEY),), receives=True, sends=False, note=note, headers=_AGAIN)


CHANNELS: Final[tuple[Channel, ...]] = (
    Channel(
        "calls",
        (("setup", _CALLER_KEY), ("answer", _CALLER_KEY), ("end", _CALLER_KEY)),
        receives=True,
        sends=True,
        note="Call events, three types in one topic, so that a call's set-up comes before its end. A record in another "
        "partition than its caller key's is produced again into the right one. Carries the broker's append time.",
        headers=(*_REKEYED, *_AGAIN),
    ),
    Channel(
        "decisions",
        (("decision", "the call id"),),
        receives=False,
        sends=True,
        note="One effective decision for every valid set-up, in the partition number of the call it answers: the first "
        "in log order for a call stands.",
        headers=_SOURCE,
    ),
    Channel(
        "evidence",
        (("evidence", _CALLER_KEY),),
        receives=True,
        sends=True,
        note="For every decision that is not plainly allow, and for a sample of the rest.",
        headers=_AGAIN,
    ),
    Channel(
        "feedback",
        (("feedback", _CALLER_KEY),),
        receives=True,
        sends=False,
        note="Labels that the model learns from.",
        headers=_AGAIN,
    ),
    Channel(
        "cases",
        (("case", "the case's id"),),
        receives=True,
        sends=True,
        note="What the police and the operators act on: each case once when it is opened, and again when something material "
        "of it changed.",
        headers=_AGAIN,
    ),
    *(_fact(name) for name in ("location", "line", "sim", "device", "holder", "network")),
    Channel(
        "operators",
        (("operator", "the operator; a tombstone removes it"),),
        receives=True,
        sends=False,
        note="Operators that take part. Compacted.",
        headers=(*_SWITCHED, *_AGAIN),
    ),
    Channel(
        "trunks",
        (("trunk", "operator/trunk; a tombstone removes it"),),
        receives=True,
        sends=False,
        note="Interconnect trunks. Compacted.",
        headers=_AGAIN,
    ),
    Channel(
        "lists",
        (("list-entry", "list/match/side/trunk/number, trunk empty for all; a tombstone removes the entry"),),
        receives=True,
        sends=False,
        note="Lists of numbers and prefixes. Compacted; a change takes effect within 1 s.",
        headers=(*_BY_HAND, *_AGAIN),
    ),
    Channel(
        "policy",
        (
            ("policy", "policy@version"),
            ("policy-pointer", "current"),
            ("demotion", "demotion/detector/operator/trunk, as its description tells; a tombstone lifts it"),
        ),
        receives=True,
        sends=True,
        note="Thresholds, modes and actions; which version is in force; what the governor demoted. Compacted.",
        headers=(*_BY_HAND, *_AGAIN),
    ),
    Channel(
        "models",
        (("model-snapshot", "name@version"), ("model-pointer", "current/name")),
        receives=True,
        sends=True,
        note="Versioned, checksummed models and which of them scorers use. Compacted.",
        headers=_AGAIN,
    ),
    Channel(
        "counts",
        (
            ("partial-sums", "the partition whose calls are summed up"),
            ("busy-line", "the line"),
            ("swapped-sim", "the line"),
            ("lure", "the number"),
            ("newcomer", "the line"),
        ),
        receives=True,
        sends=True,
        note="What no partition sees whole: scoring workers add up their calls to each called number, over each registered "
        "trunk and from each block of numbers, once a second of the log, and tell of own lines. One partition: whoever owns it merges the sums. "
        "A number that comes again is counted once.",
    ),
    Channel(
        "signals",
        (("signal", "kind/subject; a tombstone ends it"),),
        receives=True,
        sends=True,
        note="Subjects that stand out over all partitions, held by every scoring worker until they expire. Compacted.",
        headers=_AGAIN,
    ),
    Channel(
        "state", (), receives=True, sends=True, note="Internal: what scoring workers remember, by input partition."
    ),
    Channel(
        "trainer",
        (),
        receives=True,
        sends=True,
        note="Internal: whoever owns its one partition is the active trainer. Compacted.",
    ),
)
"""Every topic of the contract, in its order; dead letters are added from the topics that are read."""
