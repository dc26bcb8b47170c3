"""The vector: every column that detectors and models may look at, with its unit and where it comes from.

A row is float64; NaN means that the value is not known. Counters of a window are read after the set-up in hand has
been counted, so `attempts_1m` of a first call is 1. Windows and their step rule: `streamer.windows.sliding`.
"""

from __future__ import annotations

from typing import Final, NamedTuple


class Feature(NamedTuple):
    """One column: `name`, `unit`, `source` (what it is computed from) and whether a model may learn from it."""

    name: str
    unit: str
    source: str
    learnable: bool = True


WINDOWS: Final = (("1m", 60), ("10m", 600), ("1h", 3600), ("24h", 86_400))
"""Name and length in seconds of every sliding window, shortest first."""

_COUNTERS = (
    ("attempts", "calls", "set-ups of this caller, retries and second sightings counted once"),
    ("blocked", "calls", "attempts that were answered with `block`"),
    ("answered", "calls", "let-through calls that were answered"),
    ("short", "calls", "answered calls of less than 6 s talk time"),
    ("distinct", "lines", "distinct called numbers (estimate)"),
    ("talk", "s", "talk time of ended calls"),
    ("gap", "s", "mean time between successive attempts"),
)

_WINDOWED = tuple(
    Feature(f"{counter}_{name}", unit, f"{source}, last {name}")
    for name, _ in WINDOWS
    for counter, unit, source in _COUNTERS
)

_COSTLY = (
    ("attempts_1m", "calls", "costly attempts, last 1m"),
    ("attempts_1h", "calls", "costly attempts, last 1h"),
    ("blocked_1h", "calls", "costly attempts that were answered with `block`, last 1h"),
    ("answered_1h", "calls", "let-through costly calls that were answered, last 1h"),
    ("talk_1h", "s", "talk time of ended costly calls, last 1h"),
    (
        "overlapping_1h",
        "calls",
        "premium-rate calls answered while 2 costly ones went on, or to a new country while 5 did, last 1h",
    ),
    (
        "overlapping_24h",
        "calls",
        "premium-rate calls answered while 2 costly ones went on, or to a new country while 5 did, last 24h",
    ),
    ("going_on", "calls", "costly calls answered in the last 10m that have not ended"),
)

FEATURES: Final[tuple[Feature, ...]] = (
    *_WINDOWED,
    Feature("short_ring_10m", "calls", "unanswered calls let through that rang for less than 5 s, last 10m"),
    Feature("unallocated_10m", "calls", "ended calls with Q.850 cause 1 or 28, last 10m"),
    Feature("run_length", "calls", "length of the present run of called numbers each 1 above the last"),
    Feature("gap_mean", "s", "smoothed time between attempts"),
    Feature("gap_jitter", "ratio", "smoothed absolute deviation of the gap over its mean"),
    Feature("age", "s", "time since this caller was first seen (state expires after 28 h of silence)"),
    Feature("own_line", "0/1", "the call originates on the reporting operator's own line"),
    Feature("international", "0/1", "the call came over an international trunk"),
    Feature("caller_home", "0/1", "the calling number belongs to the home country's plan"),
    Feature("caller_valid", "0/1", "the calling number is valid in its plan; NaN when withheld"),
    Feature("caller_mobile", "0/1", "the calling number is mobile (or fixed-or-mobile)"),
    Feature("withheld", "0/1", "the calling number is withheld"),
    Feature("callee_home", "0/1", "the called number belongs to the home country's plan"),
    Feature("callee_valid", "0/1", "the called number is valid in its plan"),
    Feature("callee_short", "0/1", "the called number is a short number"),
    Feature("same_prefix", "digits", "leading national digits that caller and callee share, both at home; else 0"),
    Feature("diverted", "0/1", "the call carries a redirecting number"),
    Feature(
        "attested",
        "level",
        "STIR/SHAKEN attestation: A 3, B 2, C 1, none NaN; as verified where the Identity header was, else as reported",
    ),
    Feature("hour", "h", "hour of the day, UTC", learnable=False),
    # What rules need and a model must not learn: registers and facts that operators publish.
    Feature(
        "caller_roaming", "0/1", "location fact of the caller: 1 roaming, 0 home, NaN unknown or older than 24 h", False
    ),
    Feature("location_unpublished", "0/1", "the caller's own operator is unknown or does not publish locations", False),
    Feature("caller_short", "0/1", "the calling number is a short number", False),
    Feature("diversion_seen", "0/1", "the caller's own set-up to `diverted_from` was seen in the 60 s before", False),
    Feature("same_party", "0/1", "calling and called number are the same line", False),
    Feature("caller_malformed", "0/1", "the calling number is neither E.164 nor a short number", False),
    Feature(
        "caller_ambiguous",
        "0/1",
        "the calling number came bare, was read as a home number, and is another country's without its plus as well",
        False,
    ),
    Feature("caller_emergency", "0/1", "the calling number of a call from abroad is a home emergency number", False),
    Feature("callee_roaming_number", "0/1", "the called number is a roaming number (MSRN)", False),
    Feature("caller_dno", "0/1", "the calling number is on the do-not-originate list", False),
    Feature("caller_unallocated", "0/1", "the calling number is on the list of unallocated ranges", False),
    Feature("callee_unallocated", "0/1", "the called number is on the list of unallocated ranges", False),
    Feature(
        "trunk_kind", "kind", "of the trunk: 1 direct, 2 transit, 3 international, 4 enterprise; 0 unregistered", False
    ),
    Feature(
        "trunk_partner",
        "0/1",
        "on a direct trunk: the number is its partner's own; NaN elsewhere and of unknown owners",
        False,
    ),
    Feature("trunk_in_range", "0/1", "on an enterprise trunk: the number is in its ranges; NaN elsewhere", False),
    Feature(
        "origination_seen",
        "0/0.5/1",
        "the number's own operator said within 10 s that it called; 0.5 where the call was only seen to come in from abroad, or on another operator's registered enterprise trunk, NaN where that is not asked",
        False,
    ),
    Feature(
        "identity_failed",
        "cause",
        "why the Identity header does not hold, a cause of `identity` in its order; 0 it holds, NaN it was not verified",
        False,
    ),
    Feature("sim_age", "h", "time since the SIM of the calling line was changed; NaN when no change is known", False),
    Feature("callee_protected", "0/1", "the called number is on the list of those to be protected (banks)", False),
    # What no partition sees whole (`streamer.signals`); NaN where nothing stands out.
    *(
        Feature(name, unit, f"{source} (signal)", learnable=False)
        for name, unit, source in (
            ("callee_callers_1m", "callers", "different callers of the called number, last 1m"),
            ("callee_usual", "callers", "callers a minute that the called number usually has"),
            ("callee_watched", "h", "how long calls have been counted"),
            (
                "callee_own_1m",
                "callers",
                "of the different callers of the called number those that are own lines, last 1m",
            ),
            ("callee_attempts_1m", "calls", "set-ups to the called number, last 1m"),
            ("callee_answered_1m", "calls", "calls to the called number that were answered, last 1m"),
            ("trunk_attempts_10m", "calls", "set-ups over the trunk, last 10m"),
            ("trunk_neighbours_10m", "calls", "of these, calls of a number like the called one"),
            ("trunk_victims_10m", "lines", "called numbers that a burst of callers came to over the trunk, last 10m"),
            ("trunk_burst_10m", "calls", "set-ups in such bursts over the trunk, last 10m"),
            ("trunk_fresh_10m", "calls", "first calls of a caller in a day over the trunk, last 10m"),
            (
                "trunk_rang_10m",
                "calls",
                "of such calls, of callers that no list allows, those that rang for less than 5 s and were not answered",
            ),
            ("block_attempts_10m", "calls", "set-ups from the caller's block of a thousand numbers, last 10m"),
            ("block_fresh_10m", "calls", "of these, first calls of a caller in a day"),
            ("block_blocked_10m", "calls", "of these, blocked ones"),
            ("block_answered_10m", "calls", "answered calls of the block, last 10m"),
            (
                "block_brief_10m",
                "calls",
                "calls of the block that were answered and ended within six seconds, last 10m",
            ),
            (
                "block_burst_10m",
                "calls",
                "set-ups of the block over this trunk in bursts of callers on one number, last 10m",
            ),
            (
                "line_incoming",
                "calls",
                "calls to the calling line in 24 h, at the pace of the time that it is watched (an hour at least)",
            ),
            ("line_watched", "h", "how long the calling line is watched, since it calls many numbers"),
            ("line_imei_lines", "lines", "busy lines on the calling line's device, last 24h"),
            ("callee_rings_10m", "calls", "one-ring calls in 10m that the called number was found to make, last 24h"),
            (
                "range_lines",
                "lines",
                "new lines that called different numbers, of the caller's ten thousand and coming in as he does, last 1h",
            ),
            ("range_replaced", "lines", "of such lines, those that fell silent before another one began, last 1h"),
            ("range_attempts", "calls", "set-ups of such lines, last 1h"),
            ("range_answered", "calls", "of these, let-through ones that were answered"),
            ("range_short", "calls", "of these, answered ones of less than 6 s talk time"),
            ("range_talk", "s", "talk time of their ended calls"),
            ("range_incoming", "calls", "calls to such lines, last 1h"),
            ("range_watched", "h", "how long calls have been counted"),
            (
                "prefix_fresh_10m",
                "calls",
                "first calls of a caller in a day with the prefix of this one (all but the last seven digits), last 10m",
            ),
            ("prefix_rang_10m", "calls", "of such calls, those that `trunk_rang_10m` counts, last 10m"),
        )
    ),
    Feature("line_age", "h", "time since the calling line became active; NaN when that is not known", False),
    # Of costly calls alone, to which this one belongs; NaN for every other (`streamer.costly`).
    Feature("costly", "level", "the called number: 2 premium rate (plan or list), 1 abroad, 0 neither", False),
    *(Feature(f"costly_{name}", unit, source, False) for name, unit, source in _COSTLY),
    Feature("range_run", "calls", "costly calls to the called range ahead of those to others (at most 12)", False),
    Feature(
        "country_known", "s", "time since the called country was first called, blocked calls apart (at most 8 h)", False
    ),
    Feature("costly_found", "s", "time since the costly calls let through last were those of a hacked exchange", False),
    Feature(
        "week_hour",
        "h",
        "hour of the week in the home country (its capital, or the setting `timezone`), 0 on Mondays at midnight",
        False,
    ),
)

NAMES: Final[tuple[str, ...]] = tuple(feature.name for feature in FEATURES)
CAME_FROM_ABROAD: Final = 0.5
"""What `origination_seen` is where a call was only seen to come in from abroad."""
INDEX: Final[dict[str, int]] = {name: column for column, name in enumerate(NAMES)}
COUNT: Final[int] = len(FEATURES)
LEARNABLE: Final[tuple[str, ...]] = tuple(feature.name for feature in FEATURES if feature.learnable)
