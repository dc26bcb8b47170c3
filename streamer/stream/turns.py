"""Whose turn it is to be copied for a checkpoint, so that copies come one by one and not all at a time."""

from __future__ import annotations

from collections.abc import Sequence


def whose(waited: Sequence[float], under_way: Sequence[float] = ()) -> int | None:
    """The place in `waited` of the partition that is copied now; None while none is.

    `waited` has the part of its wait that each partition which has something to save has behind it, 1 for all of it;
    `under_way` the same of those whose last copy is still being written.
    Partitions of one pace would all be due at one moment, and their copies would keep calls waiting one after the other.
    Copied at even distances they have waited 1/n, 2/n … 1 when the foremost is due, which adds up to (n + 1)/2: whoever has
    waited longest goes as soon as that much has gathered, if need be before his time, and so the distances become even.

    >>> whose([0.9, 0.2]), whose([0.9, 0.7]), whose([0.1, 1.0]), whose([])
    (None, 0, 1, None)
    >>> whose([0.7, 0.8]), whose([0.7, 0.8], [0.1])
    (1, None)
    """
    if not waited:
        return None
    longest = max(waited)
    gathered = sum(waited) + sum(min(wait, 1.0) for wait in under_way)
    if longest < 1 and gathered < (len(waited) + len(under_way) + 1) / 2:
        return None
    return waited.index(longest)
