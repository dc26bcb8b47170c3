"""A case as an evaluation sees it published."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from streamer.calls.cases import Case


class Filed(NamedTuple):
    """A case as it was published, when that was known, and the own lines that it is about; none of trunks, blocks and called numbers."""

    at_ms: int
    case: Case
    lines: Sequence[str]
