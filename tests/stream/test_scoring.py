"""In which order a batch is judged, sent and noted; with a judge and deliveries that say what they are asked for."""

import asyncio
from types import SimpleNamespace

import pytest
from confluent_kafka import Message

from streamer.kafka.topics import Topics
from streamer.outcomes import Outcomes
from streamer.settings import load
from streamer.stream.batches import Batch
from streamer.stream.judge import Judge
from streamer.stream.metrics import Metrics
from streamer.stream.scoring import Scoring


class Staged(Judge):
    """One decision, and then evidence or what goes wrong."""

    def __init__(self, said, wrong=None):
        self.said, self.wrong = said, wrong

    def stages(self, batch, now_ms, shed=False):
        outcomes = Outcomes(decisions=[(0, "c1", b"decided")])
        self.said.append("decided")
        yield outcomes
        self.said.append("what goes with it")
        if self.wrong is not None:
            raise self.wrong
        outcomes.evidence.append((0, "key", b"evidence"))


@pytest.fixture
def scoring():
    """Scoring without brokers, and what was asked of its parts, in order; `parts` are what deliveries are to tell when they are done."""
    said, parts = [], []
    settings = load(partitions=1)

    def begin(messages, done, held_until):
        said.append(("begun", [message[1] for message in messages]))
        parts.append(done)
        return iter(())

    async def send_rest(rest):
        said.append("rest")

    async def send(messages, done, held_until):
        said.append(("sent", [message[1] for message in messages]))
        parts.append(done)

    made = object.__new__(Scoring)
    made._identities = None
    made.settings, made.topics, made.metrics = settings, Topics(settings), Metrics()
    made._app = SimpleNamespace(consumer=SimpleNamespace(poller=SimpleNamespace(held_until=lambda _: float("inf"))))
    made.control = SimpleNamespace(apply=lambda *_: 0)
    made.checkpoints = SimpleNamespace(judged=lambda *_: said.append("position"))
    made.deliveries = SimpleNamespace(begin=begin, send_rest=send_rest, send=send)
    made.governing = SimpleNamespace(observe=lambda *_: [])
    made._brake = SimpleNamespace(judged=lambda *_: 0.0)
    made._partition_headers = [("source.partition", b"0")]
    batch = Batch(
        "records",
        "calls.v1",
        {0: [Message(topic="calls.v1", partition=0, offset=7, value=b"{}", timestamp=(1, 1))]},
        0,
        0.0,
    )
    return SimpleNamespace(scoring=made, said=said, parts=parts, batch=batch)


def test_decisions_leave_first_and_after_the_position_that_they_move(scoring):
    scoring.scoring.judge = Staged(scoring.said)
    asyncio.run(scoring.scoring.handle(scoring.batch))
    assert scoring.said == [
        "decided", "position", ("begun", [b"decided"]), "what goes with it", "rest", ("sent", [b"evidence"]),
    ]  # fmt: skip
    first, second = scoring.parts
    second()
    assert not scoring.batch.finished
    first()
    assert scoring.batch.finished


def test_a_batch_of_which_only_the_decisions_could_be_made_is_never_finished(scoring):
    scoring.scoring.judge = Staged(scoring.said, ValueError("of evidence"))
    with pytest.raises(ValueError, match="of evidence"):
        asyncio.run(scoring.scoring.handle(scoring.batch))
    assert scoring.said == ["decided", "position", ("begun", [b"decided"]), "what goes with it"]
    (only,) = scoring.parts
    only()
    assert not scoring.batch.finished
