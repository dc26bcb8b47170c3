"""What must be left after any disturbance: what one engine would hold that judged the same log from end to end, undisturbed."""

from confluent_kafka import Consumer, TopicPartition

from streamer.calls.codec import decode_counts, decode_decision
from streamer.calls.signals import PartialSums, unpacked
from streamer.engine import Engine
from streamer.errors import MessageError
from streamer.kafka import clients
from streamer.kafka.topics import Topics
from streamer.records import Batch
from streamer.stream.pointers import read
from streamer.windows import callers, calls, table

NO_TRUNK = (1 << 16 + calls.TRUNK_SHIFT) - 1


def log(settings, topic, partitions=None):
    """Every record of a topic, by partition; there are as many as of calls, where nothing else is said."""
    partitions = partitions or settings.partitions
    reader = Consumer(clients.consumer_config(settings, f"{settings.group}-all", **{"enable.partition.eof": True}))
    found = {number: [] for number in range(partitions)}
    reader.assign([TopicPartition(topic, number, 0) for number in found])
    ended = set()
    while len(ended) < partitions:
        for record in reader.consume(5_000, 0.2):
            if record.error() is not None:
                ended.add(record.partition())
            else:
                found[record.partition()].append(record)
    reader.close()
    return found


def as_batch(records):
    return Batch(
        [record.partition() for record in records],
        [record.offset() for record in records],
        [record.timestamp()[1] for record in records],
        [record.value() for record in records],
        [any(name == "rekeyed" for name, _ in record.headers() or ()) for record in records],
    )


def judged(settings, control=(), heed=(), revised=None, counted=None):
    """An engine after the whole log of calls. `control` records are in force from the start; the decisions of the log
    stand where `heed` has them, so that lists and policies that changed on the way are what they were then. The set `revised`
    is given the ids of calls whose verdicts it revises, the mapping `counted` the partial sums by partition and number.
    """
    revised = set() if revised is None else revised
    counted = {} if counted is None else counted
    engine = Engine.of(settings)
    for record in control:
        engine.apply(*record)
    for number, records in log(settings, Topics(settings).calls).items():
        for offset, decision in heed.get(number, {}).items() if heed else ():
            engine.said_before(number, offset, decision)
        outcomes = engine.process(as_batch(records), 0)
        revised |= {told.call_id for told in outcomes.revisions if told.decision}
        take_sums(counted, (value for _, value in outcomes.counts))
    return engine


def take_sums(found, values):
    """Partial sums as they count: the first message of each partition and number."""
    for value in values:
        try:
            message = decode_counts(value)
        except MessageError:
            continue  # put there to poison it
        if isinstance(message, PartialSums):
            rows = unpacked(message)
            told = zip(rows.places.tolist(), rows.trunk.tolist(), rows.counts.tolist(), strict=True)
            found.setdefault((message.partition, message.number), (message.trunks, sorted(told)))


def sums(settings):
    """The partial sums of the log."""
    found = {}
    take_sums(found, (record.value() for record in log(settings, Topics(settings).counts, 1)[0]))
    return found


def settled(engine, partitions):
    """Let the time of all calls that wait in these partitions be up; gives the ids of those whose verdicts are revised."""
    found = set()
    for partition in partitions:
        outcomes = engine.tick(partition, int(engine.state.watermark[partition]) + 60_000)
        engine.delivered(outcomes.revisions)
        found |= {told.call_id for told in outcomes.revisions if told.decision}
    return found


def said(settings):
    """The first decision of the log on each record of calls, by partition and offset."""
    found = {}
    for number, records in log(settings, Topics(settings).decisions).items():
        of = found.setdefault(number, {})
        for record in records:
            try:
                decision = decode_decision(record.value())
                if not decision.revises:
                    of.setdefault(int(dict(record.headers())["source.offset"]), decision)
            except (MessageError, ValueError):
                continue  # put there to poison it
    return found


def pointers(settings):
    """What is committed: by partition the input offset and the pointer."""
    asking = Consumer(clients.consumer_config(settings, settings.group))
    places = [TopicPartition(Topics(settings).calls, number) for number in range(settings.partitions)]
    found = {p.partition: (p.offset, read(p.partition, p.metadata)) for p in asking.committed(places, timeout=10)}
    asking.close()
    return found


def saved(settings):
    """An engine that holds what is committed, and the input offsets that go with it."""
    engine = Engine.of(settings)
    committed = pointers(settings)
    for number, records in log(settings, Topics(settings).state).items():
        pointer = committed[number][1]
        for record in records:
            if pointer is not None and record.offset() in pointer:
                engine.put(engine.opened(number, record.value()))
    return engine, {number: offset for number, (offset, _) in committed.items()}


def held(engine, partition):
    """All windows and counters of a partition that still count, whatever order they lie in, and by whose names."""
    slots = callers.slots_of(engine.state.callers, partition)
    columns = callers.copy_out(engine.state.callers, slots)
    wide = columns.pop("wide")
    sketches = [wide[place - 1].tobytes() if place else b"" for place in columns.pop("wide_of").tolist()]
    rows = zip(*(column.tolist() for column in columns.values()), sketches, strict=True)
    said_of = engine.state.calls.rows[table.all_of(engine.state.calls, partition)].tolist()
    now = int(engine.state.watermark[partition])
    # How long a switch may cache a verdict is not in the log where the verdict came late.
    # Trunks are numbered by each worker, and one that knows none of them holds none.
    named = [
        (
            row[table.HASH],
            row[table.HELD] & NO_TRUNK,
            *row[table.TOUCHED_MS : calls.SAID],
            row[calls.SAID] & 0xFFFF,
            engine.named(row[calls.VERSIONS]),
            *row[calls.VERSIONS + 1 :],
        )
        for row in said_of
        if now - row[table.TOUCHED_MS] <= calls.KEEP_MS
        or row[table.HELD] >> 16 & (calls.ANSWERED | calls.ENDED) == calls.ANSWERED
    ]
    pairs = engine.state.pairs.rows[table.all_of(engine.state.pairs, partition)]
    pairs = pairs[now - pairs[:, table.TOUCHED_MS] <= calls.PAIR_KEEP_MS]
    return {
        "watermark": now,
        "callers": sorted(map(repr, rows)),
        "calls": sorted(named),
        "pairs": sorted(pairs[:, : calls.OPERATOR].tolist()),
    }


def differences(one, other, partitions):
    """Where two engines differ in these partitions, in words, and what either gave up for want of room; nothing where they hold
    the same.
    """
    found = [
        f"{engine.evicted} callers and {engine.calls_evicted} calls and pairs were given up that still counted"
        for engine in (one, other)
        if engine.evicted or engine.calls_evicted
    ]
    for partition in partitions:
        ours, theirs = held(one, partition), held(other, partition)
        for name in ours:
            if ours[name] != theirs[name]:
                if name == "watermark":
                    found.append(f"partition {partition}: watermark {ours[name]} and {theirs[name]}")
                else:
                    mine, others = set(map(repr, ours[name])), set(map(repr, theirs[name]))
                    found.append(
                        f"partition {partition}: {len(mine - others)} and {len(others - mine)} {name} of {len(mine)}: "
                        f"{sorted(mine - others)[:1]} {sorted(others - mine)[:1]}"
                    )
    return found
