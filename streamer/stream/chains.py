"""The records of `state.v1` that hold a partition's state, as far as they are known to be delivered."""

from __future__ import annotations

from streamer.stream.pointers import Pointer
from streamer.windows.hashing import BUCKETS


class Chain:
    """Runs of offsets, and where each bucket was last written whole."""

    def __init__(self, spans: list[tuple[int, int]], rolled: dict[int, int]) -> None:
        self.spans = [list(span) for span in spans]
        self.rolled = rolled

    def add(self, offsets: list[int], buckets: tuple[int, ...]) -> bool:
        """Go on with the records of a checkpoint that holds these buckets whole; gives whether the chain is whole: it is not
        from a checkpoint on of which the broker does not say where it lies, until one comes that holds everything.
        """
        if min(offsets) < 0:
            self.spans, self.rolled = [], {}
        elif len(buckets) == BUCKETS:
            self.spans, self.rolled = [], dict.fromkeys(buckets, offsets[0])
        if len(self.rolled) < BUCKETS:
            return False
        self.rolled |= dict.fromkeys(buckets, offsets[0])
        for offset in offsets:
            if self.spans and self.spans[-1][1] + 1 == offset:
                self.spans[-1][1] = offset
            else:
                self.spans.append([offset, offset])
        base = self.base
        self.spans = [[max(first, base), last] for first, last in self.spans if last >= base]
        return True

    @property
    def base(self) -> int:
        """The offset before which nothing is needed."""
        return min(self.rolled.values())

    def pointer(self, said: int) -> Pointer:
        """What names these records; `said` as `Pointer` has it."""
        return Pointer([(first, last) for first, last in self.spans], said)
