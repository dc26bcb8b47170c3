"""Every numbering plan of the world as one table: is a number valid, what kind is it, whose is it.

The table is built from the metadata of `phonenumbers` and agrees with that library on every number as it stands (its `parse` would also forgive
a trunk prefix behind the calling code; E.164 has none). Looking a number up is one walk over its digits, some 50 ns.

A node is 16 int32 in a row, one cache line: where each digit leads (the offset of that node's row), then the label of a number that ends here:
``valid | kind << 1 | (region + 1) << 4``. Nodes with the same future are one node.
"""

from __future__ import annotations

import contextlib
import os
import zipfile
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import phonenumbers
from numba import uint64
from phonenumbers import PhoneMetadata

from streamer.cache import cache_folder
from streamer.calls.numbers import SHORT, home_plan, home_share
from streamer.calls.patterns import Automaton, parse
from streamer.compiled import loop

GARBAGE: Final = 0
VALID: Final = 1
NOT_VALID: Final = 2
SHORT_NUMBER: Final = 3

UNKNOWN, FIXED, MOBILE, FIXED_OR_MOBILE, TOLL_FREE, PREMIUM, VOIP, OTHER_KIND = range(8)

NO_COUNTRY: Final = 0
"""The region of calling codes that are no country's (`001`), by which satellites, networks and worldwide services are called."""

_FREE: Final = TOLL_FREE << 1 | 1
_LAYOUT: Final = 1
_ROW: Final = 16
_LABEL: Final = 10
_MOST_DIGITS: Final = 15
_LEADING: Final = 15
# In the order in which the library tries them; the first that matches gives the type.
_SPECIAL: Final = (
    ("premium_rate", PREMIUM),
    ("toll_free", TOLL_FREE),
    ("shared_cost", OTHER_KIND),
    ("voip", VOIP),
    ("personal_number", OTHER_KIND),
    ("pager", OTHER_KIND),
    ("uan", OTHER_KIND),
    ("voicemail", OTHER_KIND),
)
_DESCRIPTIONS: Final = ("general_desc", *(name for name, _ in _SPECIAL), "fixed_line", "mobile")

Nodes = np.ndarray[Any, np.dtype[np.int32]]


class PlanTable(NamedTuple):
    """What compiled code looks numbers up in: `nodes` int32[16 × nodes]; the home country's share of its calling code.

    `own` are nodes of the home country's plan alone, where others have a part in its calling code. `home` is an index into
    `NumberTable.regions`; `home_code` the calling code as an integer, `home_code_end` 10 to the number of its digits, `home_digits`
    a bit mask of the first national digits that are the home country's alone even where nothing is allocated.
    """

    nodes: Nodes
    own: Nodes
    home: int
    home_code: int
    home_code_end: int
    home_digits: int


class NumberTable(NamedTuple):
    """The table and the names of its regions (ISO 3166-1 alpha-2; `001` for codes without a country)."""

    table: PlanTable
    regions: tuple[str, ...]

    def classify(self, number: int) -> tuple[int, str | None, int]:
        """Status, region (None: nobody's) and kind of a number id, for people and tests.

        >>> number_table("KZ").classify(77011234567)
        (1, 'KZ', 2)
        """
        status, region, kind = classify(number, self.table)
        return int(status), self.regions[region] if region >= 0 else None, int(kind)


@loop
def _label_of(packed: int, count: int, nodes: Nodes) -> int:
    """The label of a number of so many digits, the first of which is in the lowest four bits."""
    node = 0
    for _ in range(count):
        node = nodes[node + np.int64(packed & uint64(15))]
        packed >>= uint64(4)
    return nodes[node + _LABEL]


@loop
def classify(number: int, table: PlanTable) -> tuple[int, int, int]:
    """Status, region (index into `NumberTable.regions`, -1 nobody's) and kind of a number id.

    Status: 0 neither E.164 nor short, 1 valid, 2 E.164 but in no plan, 3 a short number. Kind: 0 unknown, 1 fixed, 2 mobile, 3 fixed or
    mobile, 4 toll free, 5 premium, 6 VoIP, 7 other. An invalid number has the region that its leading digits belong to, if any. Freephone
    numbers that the home country shares with others of its calling code are the home country's.
    """
    if number >= SHORT:
        return (SHORT_NUMBER if number < 2 * SHORT else GARBAGE), -1, UNKNOWN
    if number < 1_000_000 or number >= 1_000_000_000_000_000:
        return GARBAGE, -1, UNKNOWN
    rest = uint64(number)
    packed = uint64(0)
    count = 0
    while rest:
        after = rest // uint64(10)
        packed = packed << uint64(4) | (rest - after * uint64(10))
        rest = after
        count += 1
    label = _label_of(packed, count, table.nodes)
    region = (label >> 4) - 1
    if label & 15 == _FREE and _label_of(packed, count, table.own) & 15 == _FREE:
        region = table.home
    elif region < 0:
        national = number
        first = 0
        while national >= table.home_code_end:
            first = national % 10
            national //= 10
        if national == table.home_code and table.home_digits >> first & 1:
            region = table.home
    return (VALID if label & 1 else NOT_VALID), region, label >> 1 & 7


def number_table(home: str, folder: Path | None = None) -> NumberTable:
    """The table for a home country, built in a few seconds and kept in `folder` (by default the cache folder) for the next time.

    Raises `SettingsError` for a home country without a numbering plan.
    """
    plan = home_plan(home)
    nodes = _cached_nodes(cache_folder() if folder is None else folder)
    regions = _regions()
    code = int(plan.code)
    own = _Builder(regions).build({code: (home,)}) if len(_by_code()[code]) > 1 else np.zeros(_ROW, np.int32)
    digits = sum(1 << int(digit) for digit in home_share(plan))
    table = PlanTable(nodes, own, regions.index(home), code, 10 ** len(plan.code), digits)
    return NumberTable(table, regions)


def _by_code() -> dict[int, tuple[str, ...]]:
    found: dict[int, tuple[str, ...]] = phonenumbers.COUNTRY_CODE_TO_REGION_CODE
    return found


def _regions() -> tuple[str, ...]:
    return tuple(sorted({region for regions in _by_code().values() for region in regions}))


def _cached_nodes(folder: Path) -> Nodes:
    """The nodes from the cache, else built and written there; a cache that cannot be read or written is done without."""
    file = folder / f"plans-{phonenumbers.__version__}-{_LAYOUT}.npy"
    try:
        nodes: Nodes = np.load(file, allow_pickle=False)
        if nodes.dtype == np.int32 and nodes.ndim == 1 and _sound(nodes):
            return nodes
    except (OSError, ValueError, EOFError, zipfile.BadZipFile):
        pass  # not there, or cut short: it is built anew
    nodes = _Builder(_regions()).build(_by_code())
    draft = file.with_name(f"{file.name}.{os.getpid()}")
    with contextlib.suppress(OSError):  # no place to keep it: it is built again next time
        folder.mkdir(parents=True, exist_ok=True)
        try:
            with draft.open("wb") as stream:
                np.save(stream, nodes, allow_pickle=False)
            draft.replace(file)
        finally:
            draft.unlink(missing_ok=True)
    return nodes


def _sound(nodes: Nodes) -> bool:
    """Whether every step leads to the start of a row: compiled code does not look."""
    if not nodes.size or nodes.size % _ROW:
        return False
    steps = nodes.reshape(-1, _ROW)[:, :_LABEL]
    labels = nodes.reshape(-1, _ROW)[:, _LABEL]
    return bool(
        (steps >= 0).all()
        and (steps < nodes.size).all()
        and (steps % _ROW == 0).all()
        and (labels >= 0).all()
        and ((labels >> 4) <= len(_regions())).all()
    )


class _Builder:
    """Joins the patterns of all regions of a calling code into one deterministic automaton, shared futures joined."""

    def __init__(self, regions: tuple[str, ...]) -> None:
        self.regions = regions
        self.rows: list[tuple[int, ...]] = []
        self.known: dict[tuple[int, ...], int] = {}
        self.dead: dict[int, int] = {}

    def build(self, codes: dict[int, tuple[str, ...]]) -> Nodes:
        tree = {str(code): self.plan(code, regions) for code, regions in codes.items()}
        root = self.branch("", tree)
        # The walk begins at offset 0, so the root is put first.
        order = [root, *(node for node in range(len(self.rows)) if node != root)]
        offsets = {node: place * _ROW for place, node in enumerate(order)}
        nodes = np.zeros((len(order), _ROW), dtype=np.int32)
        for place, node in enumerate(order):
            nodes[place, : _LABEL + 1] = [
                *(offsets[after] for after in self.rows[node][:_LABEL]),
                self.rows[node][_LABEL],
            ]
        return nodes.reshape(-1)

    def branch(self, digits: str, tree: dict[str, int]) -> int:
        if digits in tree:
            return tree[digits]
        if not any(code.startswith(digits) for code in tree):
            return self.end(0)
        return self.node([self.branch(f"{digits}{digit}", tree) for digit in range(10)], 0)

    def node(self, steps: list[int], label: int) -> int:
        row = (*steps, label)
        if row not in self.known:
            self.known[row] = len(self.rows)
            self.rows.append(row)
        return self.known[row]

    def end(self, label: int) -> int:
        """A node that nothing leads out of."""
        if label not in self.dead:
            self.dead[label] = len(self.rows)
            self.rows.append((*[len(self.rows)] * _LABEL, label))
        return self.dead[label]

    def plan(self, code: int, regions: tuple[str, ...]) -> int:
        automaton = Automaton()
        metadata = [PhoneMetadata.metadata_for_region_or_calling_code(code, region) for region in regions]
        sticky = set()
        for place, plan in enumerate(metadata):
            for kind, name in enumerate(_DESCRIPTIONS):
                described = getattr(plan, name)
                if described is not None and described.national_number_pattern:
                    automaton.add(parse(described.national_number_pattern), place << 4 | kind)
            if len(regions) > 1 and plan.leading_digits is not None:
                automaton.add(parse(plan.leading_digits), place << 4 | _LEADING, prefix=True)
                sticky.add(place << 4 | _LEADING)
        most = _MOST_DIGITS - len(str(code))
        made: dict[tuple[int, frozenset[int]], int] = {}

        def visit(state: frozenset[int], depth: int) -> int:
            key = (depth, state)
            if key not in made:
                tags = {automaton.accepted[position] for position in state if position in automaton.accepted}
                label = self.label(regions, metadata, tags, depth)
                if depth == most or all(automaton.accepted.get(position) in sticky for position in state):
                    made[key] = self.end(label)
                else:
                    made[key] = self.node([visit(after, depth + 1) for after in automaton.step(state)], label)
            return made[key]

        return visit(automaton.start(), 0)

    def label(self, regions: tuple[str, ...], metadata: list[PhoneMetadata], tags: set[int], length: int) -> int:
        """What `region_code_for_number`, `is_valid_number` and `number_type` say of a number with these matches."""
        for place, plan in enumerate(metadata):
            if len(regions) > 1 and plan.leading_digits is not None:
                found = place << 4 | _LEADING in tags
            else:
                found = len(regions) == 1 or _kind(plan, place, tags, length) is not None
            if found:
                kind = _kind(plan, place, tags, length)
                region = self.regions.index(regions[place]) + 1
                return region << 4 | ((kind << 1 | 1) if kind is not None else 0)
        return 0


def _kind(plan: PhoneMetadata, place: int, tags: set[int], length: int) -> int | None:
    """The library's `_number_type_helper`; None for a number that the plan does not have."""

    def matches(name: str) -> bool:
        if place << 4 | _DESCRIPTIONS.index(name) not in tags:
            return False
        lengths = getattr(plan, name).possible_length
        return not lengths or length in lengths

    if not matches("general_desc"):
        return None
    for name, kind in _SPECIAL:
        if matches(name):
            return kind
    if matches("fixed_line"):
        return FIXED_OR_MOBILE if plan.same_mobile_and_fixed_line_pattern or matches("mobile") else FIXED
    return MOBILE if not plan.same_mobile_and_fixed_line_pattern and matches("mobile") else None
