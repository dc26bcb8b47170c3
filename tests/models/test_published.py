"""Models as workers take them from their topic: the one that is pointed to, an older one too, whether running or starting."""

import msgspec
import pytest

from streamer.calls.codec import encode
from streamer.errors import MessageError
from streamer.models import published, snapshot
from tests.test_engine import engine, model, offer

POINTER = snapshot.pointer_key(snapshot.CHAMPION)


def pointing_to(found, epoch):
    return POINTER, encode(msgspec.structs.replace(snapshot.pointer(found), epoch=epoch))


def told(held, records):
    for key, value in records:
        held.apply("models", key, value)
    return held.model_version, dict(held.awaited)


@pytest.mark.parametrize("epoch", [1, 2])
def test_all_workers_go_back_to_an_older_version_whether_they_run_or_start(epoch):
    """Of a trainer before, too, if the pointer is of the epoch in force."""
    first, second = model(1, 0.0), model(2, 2.0, epoch=epoch)
    log = [
        record for one in (first, second) for record in ((snapshot.key(one), encode(one)), pointing_to(one, one.epoch))
    ]
    back = pointing_to(first, epoch)
    running, starting = engine(), engine()
    assert told(running, log) == ("champion@2", {})
    assert told(running, [back]) == told(starting, {**dict(log), back[0]: back[1]}.items()) == ("champion@1", {})
    assert running._in_force.tables.bias == first.bias
    assert told(running, [pointing_to(second, epoch)]) == ("champion@2", {})


def test_a_pointer_or_a_version_of_a_trainer_that_lost_its_lease_changes_nothing():
    held, good = engine(), model(2, 2.0, epoch=3)
    offer(held, model(1, 0.0, epoch=3))
    offer(held, good)
    assert told(held, [pointing_to(model(1, 0.0), 2)]) == ("champion@2", {"models": "champion@1"})
    stale = model(2, 9.0, epoch=2)
    assert "epoch 3" in held.apply("models", snapshot.key(stale), encode(stale))
    assert told(held, [pointing_to(good, 3)]) == ("champion@2", {})
    assert held._in_force.tables.bias == good.bias


def test_a_worker_that_starts_holds_no_more_than_so_many_versions_as_bytes():
    """All that is still there comes before the pointer, whose older records were compacted away."""
    held, records = engine(), {}
    for version in range(1, published.MOST + 51):
        one = model(version, version / 1_000)
        records[snapshot.key(one)] = encode(one)
    for key, value in records.items():
        held.apply("models", key, value)
    kept = held._in_force._published._held
    assert kept == dict([*records.items()][50:])
    assert {type(value) for value in kept.values()} == {bytes}
    newest = pointing_to(model(published.MOST + 50, 0.0), 1)
    assert told(held, [newest]) == (f"champion@{published.MOST + 50}", {})


def test_a_version_that_is_removed_is_not_gone_back_to():
    held, first, second = engine(), model(1, 0.0), model(2, 2.0)
    offer(held, first)
    offer(held, second)
    held.apply("models", snapshot.key(first), None)
    assert told(held, [pointing_to(first, 1)]) == ("champion@2", {"models": "champion@1"})


def test_a_damaged_version_is_refused_when_it_comes_not_when_it_is_asked_for():
    held, first = engine(), model(1, 0.0)
    offer(held, first)
    damaged = msgspec.structs.replace(model(2, 2.0), bias=9.0)
    with pytest.raises(MessageError, match="champion@2"):
        held.apply("models", "champion@2", encode(damaged))
    assert told(held, [pointing_to(damaged, 1)]) == ("champion@1", {"models": "champion@2"})
