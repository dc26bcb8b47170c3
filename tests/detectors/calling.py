"""Calls that are played to an engine one event after another, as a switch would: a blocked one is not answered and ends with
cause 21.
"""

import heapq
import random
from typing import NamedTuple

import orjson

from streamer.engine import Engine
from tests.test_engine import PARTITIONS, batch, end, judge, setup

HOUR, DAY = 3_600_000, 86_400_000
MONDAY = 1_763_924_400_000
"""Midnight in Kazakhstan, 24 November 2025."""


class Call(NamedTuple):
    """One call: when it begins, from whom to whom, how long it rings, how long they talk (0: not answered), how it comes in."""

    at: int
    caller: str
    callee: str
    ring_ms: int = 5_000
    talk_ms: int = 0
    cause: int = 16
    ingress: str = "subscriber"


class Said(NamedTuple):
    """What was said of a call."""

    call: Call
    action: str
    reasons: list


def quiet(**more):
    """An engine that lets no block through as control and keeps evidence of all that is not plainly allowed."""
    made = Engine(partitions=PARTITIONS, **{"max_callers": 20_000, **more})
    rule(made, {})
    return made


def rule(held, detectors):
    """Put a policy in force with these detectors' rules."""
    policy = {"version": str(len(repr(detectors))), "control_share": 0.0, "detectors": detectors}
    held.apply("policy", f"policy@{policy['version']}", orjson.dumps(policy))
    held.apply("policy", "current", orjson.dumps({"version": policy["version"]}))


def enter(held, name, number, side, match="exact"):
    """Put a number on a list."""
    entry = {"list": name, "match": match, "number": number, "side": side}
    held.apply("lists", f"{name}/{match}/{side}/{number}", orjson.dumps(entry))


def played(held, calls):
    """What was said of each call, in the order in which they begin."""
    due = [(call.at, n, call) for n, call in enumerate(sorted(calls))]
    heapq.heapify(due)
    count, said = len(due), []
    while due:
        at, _, what = heapq.heappop(due)
        if isinstance(what, dict):
            judge(held, [what])
            continue
        name = f"c{len(said)}-{what.caller}-{at}"
        (decision,) = judge(held, [setup(name, what.caller, what.callee, at, ingress=what.ingress)])
        said.append(Said(what, decision["action"], decision["reasons"]))
        for then, message in _after(name, what, decision["action"] == "block"):
            count += 1
            heapq.heappush(due, (then, count, message))
    return said


def _after(name, call, blocked):
    who = {"operator": "op-a", "caller": call.caller, "callee": call.callee}
    if blocked:
        yield call.at + 20, end(name, call.caller, call.callee, call.at + 20, ring_ms=0, talk_ms=0, cause=21)
        return
    over = call.at + call.ring_ms + call.talk_ms
    if call.talk_ms:
        at = call.at + call.ring_ms
        yield at, {"type": "answer", "call_id": name, "at": at, **who, "ring_ms": call.ring_ms}
    yield over, end(name, call.caller, call.callee, over, ring_ms=call.ring_ms, talk_ms=call.talk_ms, cause=call.cause)


def recall(said, reason, action="block"):
    """The share of a campaign's calls after its first 20 that got this action for a reason that begins so."""
    after = said[20:]
    return sum(one.action == action and any(why.startswith(reason) for why in one.reasons) for one in after) / len(
        after
    )


def why(held, call, reason):
    """Observed value, threshold and window that the evidence of one more call gives for a reason."""
    outcomes = held.process(batch([setup("why", call.caller, call.callee, call.at, ingress=call.ingress)]), call.at)
    detector, cause = reason.split(".")
    findings = orjson.loads(outcomes.evidence[0][2])["findings"]
    (found,) = (one for one in findings if (one["detector"], one["cause"]) == (detector, cause))
    return found["observed"], found["threshold"], found["window_s"]


def paced(caller, begin, count, gap_s, callee, *, answered=1.0, talk_s, ring_s=8, seed=1, ingress="subscriber"):
    """Calls of one line at exponential gaps; `callee` and `talk_s` are called with the draw (and the number of the call)."""
    draw, at, found = random.Random(seed), begin, []
    for n in range(count):
        at += int(1_000 * draw.expovariate(1 / gap_s))
        talk = int(1_000 * talk_s(draw)) if draw.random() < answered else 0
        ring = int(1_000 * draw.uniform(0.6 * ring_s, 1.4 * ring_s))
        found.append(Call(at, caller, callee(draw, n), ring, talk, 16 if talk else 19, ingress))
    return found


def anyone(draw, n):
    """Some subscriber at home."""
    return f"+7701{draw.randrange(1_000_000, 10_000_000)}"


def about(seconds):
    """Talk times with this mean, exponential, at least a second."""
    return lambda draw: 1 + draw.expovariate(1 / seconds)
