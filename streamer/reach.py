"""Looking ahead: every entry that a pass will look at is looked at once before it begins.

The tables are far larger than the processor's caches, and a record's entries lie where its hash says. Judged one by one,
records would wait for memory one after another; these looks do not wait for one another.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from streamer import columns
from streamer.columns import Columns, State, World
from streamer.compiled import loop
from streamer.windows import calls as recent
from streamer.windows import ids, sliding, slots, table
from streamer.windows.hashing import hash_words


@loop
def pair_hash(world: World, key: int, called: int, partition: int) -> int:
    """The bits of the hash of a caller and a called number in a partition."""
    return int(np.int64(hash_words(key, called ^ (np.int64(partition) << 48), world.secret)))


@loop
def reach(state: State, world: World, batch: Columns, hashes: Any) -> int:
    """Fill `hashes` int64[n, 3] (slot, pair and call of each record; of what is no set-up the pair is 0) and look once at all that the
    pass will look at.

    What it returns tells nothing; it is returned so that the looks are not left out as useless.
    """
    callers, calls, pairs = state.callers, state.calls, state.pairs
    last_slot = callers.cells.shape[0] - 1
    seen = np.int64(0)
    for row in range(batch.records.shape[0]):
        first = table.first_of(calls, batch.call[row])
        for step in range(3):
            seen += calls.rows[table.near(first, batch.call[row], step), table.HELD]
        partition, key = batch.records[row, columns.PARTITION], batch.key[row]
        pair = pair_hash(world, key, batch.callee[row], partition)
        hashes[row, 2] = ids.kept_by(batch.call[row], pair)
        if batch.records[row, columns.KIND] == columns.SETUP:
            origin = 0 if batch.records[row, columns.INGRESS] == 0 else 1
            hashes[row, 0] = slots.hash_of(callers, partition, key, origin)
            hashes[row, 1] = pair
            seen += callers.cells[hashes[row, 0] & last_slot]
            first = table.first_of(pairs, hashes[row, 1])
            for step in range(0, 4, 2):
                seen += pairs.rows[table.near(first, hashes[row, 1], step), table.HELD]
    for row in range(batch.records.shape[0]):
        if batch.records[row, columns.KIND] != columns.SETUP:
            own = table.flags_at(calls, table.home(calls, batch.call[row])) & recent.OWN_LINE
            partition = batch.records[row, columns.PARTITION]
            hashes[row, 0] = slots.hash_of(callers, partition, batch.key[row], 0 if own else 1)
            hashes[row, 1] = 0
        slot = callers.cells[hashes[row, 0] & last_slot]
        if slot >= 0:
            seen += callers.key[slot] + callers.clock_ms[slot] + callers.talk[slot, 0] + callers.talk[slot, 16]
            seen += callers.narrow[slot, 0] + callers.partition[slot] + callers.first_s[slot] + callers.run[slot]
            for bucket in range(0, sliding.BUCKETS, 8):
                seen += callers.counts[slot, bucket, 0]
    return int(seen)
