"""A worker with a judge that does trivial work, and what can go wrong, by name: ``python -m tests.stream.judges stuck``."""

import sys
import time

import orjson

from streamer.commands.worker import run
from streamer.outcomes import Outcomes
from streamer.settings import load
from streamer.stream.judge import Judge
from streamer.stream.transport import Consumer

EVIL = "+77019999999"
"""The caller that makes a judge go wrong."""


class Plain(Judge):
    """One decision a record."""

    def process(self, batch, now_ms, shed=False):
        outcomes = Outcomes()
        for row, value in enumerate(batch.values):
            call = orjson.loads(value)
            decision = {"call_id": call["call_id"], "action": "allow", "decided_at": now_ms, "caller": call["caller"]}
            outcomes.decisions.append((row, call["call_id"], self.said(call, orjson.dumps(decision))))
        outcomes.actions["allow"] = len(outcomes.decisions)
        return outcomes

    def said(self, call, decision):
        return decision


class Slow(Plain):
    """Takes its time over a batch, so that it is at work whenever it is looked at."""

    def process(self, batch, now_ms, shed=False):
        outcomes = super().process(batch, now_ms, shed)
        time.sleep(0.2)
        return outcomes


class Large(Plain):
    """Says more than a topic takes."""

    def said(self, call, decision):
        return (
            b'{"call_id":"%s","why":"%s"}' % (call["call_id"].encode(), b"x" * 2_000_000)
            if call["caller"] == EVIL
            else decision
        )


class Huge(Plain):
    """Says more than the client takes."""

    def said(self, call, decision):
        return b"x" * 20_000_000 if call["caller"] == EVIL else decision


class Wrong(Plain):
    """Has a bug."""

    def said(self, call, decision):
        return decision if call["caller"] != EVIL else 1 // 0


class Stuck(Plain):
    """Never comes back."""

    def said(self, call, decision):
        while call["caller"] == EVIL:
            time.sleep(1)
        return decision


class Unread(Plain):
    """Of an app that is given a topic which none of its streams reads."""

    def __init__(self):
        subscribe = Consumer.subscribe
        Consumer.subscribe = lambda consumer, topics: subscribe(consumer, [*topics, "elsewhere.v1"])


JUDGES = {judge.__name__.lower(): judge for judge in (Plain, Slow, Large, Huge, Wrong, Stuck, Unread)}

if __name__ == "__main__":
    run(load(), JUDGES[sys.argv[1]]())
