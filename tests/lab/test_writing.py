"""Traffic written by several processes: complete, in order, the same each time, with its fraud in the first of them."""

from collections import Counter
from itertools import chain

import msgspec
import pytest

from streamer.calls.codec import decode_call
from streamer.calls.events import End, Setup
from streamer.lab.traffic import FRAUDS, Traffic
from streamer.lab.truth import Truth
from streamer.lab.writing import slices

OPTIONS = {"seed": 3, "rate": 300.0, "seconds": 60.0, "subscribers": 50_000}


def written(processes, **options):
    made = list(slices(OPTIONS | options, processes))
    events = [decode_call(line) for _, line in chain.from_iterable(part.events for part in made)]
    truths = [msgspec.json.decode(line, type=Truth) for _, line in chain.from_iterable(part.truths for part in made)]
    return made, events, truths


@pytest.mark.parametrize("processes", [1, 3])
def test_all_events_come_in_order_with_the_truth_about_every_call(processes):
    made, events, truths = written(processes)
    until = [part.until_ms for part in made]
    assert until == sorted(until)
    assert len(until) > 2
    times = [at for part in made for at, _ in part.events]
    assert times == sorted(times)
    for part in made:
        assert all(at < part.until_ms for at, _ in part.events)
    setups = [event.call_id for event in events if isinstance(event, Setup)]
    assert len(setups) == len(set(setups)) == sum(isinstance(event, End) for event in events)
    assert [truth.call_id for truth in truths] == setups
    assert len(setups) / OPTIONS["seconds"] == pytest.approx(OPTIONS["rate"], rel=0.05)
    frauds = Counter(truth.fraud for truth in truths)
    assert 1 - frauds[None] / len(setups) == pytest.approx(sum(FRAUDS.values()), abs=0.015)
    if processes > 1:
        assert {call_id.split("@")[0].split(".")[2] for call_id in setups} == {"0", "1", "2"}
        assert {truth.call_id.split(".")[2] for truth in truths if truth.fraud} == {"0"}


def test_it_is_the_same_each_time_and_one_process_writes_what_an_iterator_gives():
    assert written(2)[0] == written(2)[0]
    _, events, _ = written(1)
    assert events == [event for _, event, _ in Traffic(**OPTIONS)]


def test_all_fraud_has_to_fit_into_one_part():
    with pytest.raises(ValueError, match="fit into one"):
        Traffic(**OPTIONS, frauds={"wangiri": 0.4}, shard=(0, 3))
