"""Whose turn it is to be copied for a checkpoint, so that copies come one by one and not all at a time."""

from __future__ import annotations

from collections.abc import Sequence


def whose(waited: Sequence[tuple[float, bool]]) -> int | None:
    """The place in `waited` of the partition that is copied now; None while none is.

    `waited` has, of each partition with something to save, the part of its wait that is over, 1 for all of it, and whether its
    last copy is still being written, so that it cannot be its turn.
    Partitions of one pace would all be due at one moment, and their copies would keep calls waiting one after the other.
    Copied at even distances they have waited 1/n, 2/n … 1 when the foremost is due, which adds up to (n + 1)/2: whoever has
    waited longest goes as soon as that much has gathered, if need be before his time, and so the distances become even.

    >>> whose([(0.9, False), (0.2, False)]), whose([(0.9, False), (0.7, False)]), whose([(0.1, False), (1.0, False)]), whose([])
    (None, 0, 1, None)
    >>> whose([(0.7, False), (0.9, True)]), whose([(0.7, False), (0.8, False), (0.1, True)])
    (0, None)
    """
    longest, place = max(
        ((wait, place) for place, (wait, writing) in enumerate(waited) if not writing), default=(0.0, None)
    )
    gathered = sum(min(wait, 1.0) for wait, _ in waited)
    return place if longest >= 1 or gathered >= (len(waited) + 1) / 2 else None
