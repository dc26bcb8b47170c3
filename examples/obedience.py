"""The rules by which a switch obeys verdicts. Neither clock nor Kafka is touched here: `switch_consumer.py` does that.

- The first verdict on a call in the order of the log stands; a later one is a repeat and is ignored.
- But a `block` with `revises` may follow an `allow` or a `label` within 3 s, and stops a call that still rings.
- A verdict marked `late` is ignored.
- A call to an emergency number passes at once, without waiting for its verdict; its set-up is published all the same, and no verdict
  changes anything about it.
- Until `cache_until` a block holds for the same caller, ingress and trunk without asking; the set-up is published all the
  same, marked `cached`. It never holds for called numbers that are to be spared; where emergency numbers are not known, it
  holds for no call.
- A call without a verdict in time is let through, whatever the reason: a dead broker must not stop telephony.
"""

from __future__ import annotations

import re
from collections import Counter, deque
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from typing import Any

from publisher import KAZAKHSTAN, Plan, caller_key, normalised, repeated

REVISION_MS = 3_000
"""How long after its verdict a call may still be revised."""
FORGET_MS = 120_000
"""How long a call is remembered: within it, the same id is the same call."""
MOST_CACHED = 100_000


@dataclass(frozen=True)
class Instruction:
    """What the switch is to do with a call.

    `do`: `pass`; `label` (pass and warn the called party); `withhold_cli` (pass without the calling number); `divert`;
    `reject`; `stop` (end a call that is ringing already, upstream with the same codes, downstream with CANCEL).
    `why`: `verdict`, `cache`, `no_verdict`, `emergency` or `revised`.
    """

    call_id: str
    do: str
    why: str
    sip_code: int | None = None
    sip_reason: str | None = None
    sip_headers: tuple[str, ...] = ()
    q850: int | None = None
    reasons: tuple[str, ...] = ()
    waited_ms: int = 0


@dataclass
class _Call:
    call_id: str
    numbers: tuple[str, str]
    line: tuple[str, str, str]
    asked_ms: int
    decided_ms: int | None = None
    said: Instruction | None = None
    answered: bool = False
    over: bool = False


class Obedience:
    """What to do with each call: times are handed in, milliseconds since 1970.

    Parameters
    ----------
    operator
        Whose calls; verdicts on others' are not ours to obey.
    timeout_ms
        How long a call waits for its verdict.
    redress
        Where a rejected caller may complain, a URL: RFC 8688 asks for it with 608.
    plan
        How numbers are dialled at home. Calls to its emergency numbers wait for nothing; where it has none, no call is answered from
        the cache.
    spared
        Called numbers that no cached block stops; a prefix, of `+` and digits, has a `*` behind it.
    """

    def __init__(
        self,
        operator: str,
        timeout_ms: int = 300,
        redress: str | None = None,
        plan: Plan = KAZAKHSTAN,
        spared: Collection[str] = (),
    ) -> None:
        self._operator = operator
        self._timeout_ms = timeout_ms
        self._redress = redress
        self._plan = plan
        self._urgent = frozenset(before + number for before in prefixes(plan) for number in plan.emergency)
        self._spared = frozenset(normalised(number, plan) for number in spared)
        self._spared_prefixes = tuple(number.removesuffix("*") for number in spared if number.endswith("*"))
        self._calls: dict[str, _Call] = {}
        self._waiting: deque[_Call] = deque()
        self._remembered: deque[_Call] = deque()
        self._cached: dict[tuple[str, str, str], dict[str, Any]] = {}
        self.counts: Counter[str] = Counter()
        """How often each thing happened."""

    def setup(self, event: dict[str, Any], now: int) -> Instruction | None:
        """A call comes in. An instruction at once when it is known already, else None: wait."""
        call_id = event["call_id"]
        numbers = self._numbers(event)
        known = self._calls.get(call_id)
        if known is not None and known.numbers == numbers:  # whoever calls may choose the id: another call may have it
            known.over = False  # the switch tries again: the same call, the same answer
            return known.said
        line = (caller_key(event, self._plan), event["ingress"], event.get("trunk") or "")
        call = self._calls[call_id] = _Call(call_id, numbers, line, now)
        self._remembered.append(call)
        if self._is_emergency(event["callee"]):
            call.said = Instruction(call_id, "pass", "emergency")
            self.counts["emergency"] += 1
            return call.said
        cached = self._cached.get(line)
        if cached is not None and now >= cached["cache_until"]:
            del self._cached[line]
        elif cached is not None and self._may_stop(event["callee"]):
            call.said = self._obey(call_id, cached, call, "cache", now)
            return call.said
        self._waiting.append(call)
        return None

    def answer(self, call_id: str) -> None:
        """The called party took the call: it cannot be stopped any more."""
        if call_id in self._calls:
            self._calls[call_id].answered = True

    def end(self, call_id: str) -> None:
        """The call is over; nothing is said of it any more."""
        if call_id in self._calls:
            self._calls[call_id].over = True

    def verdict(self, decision: dict[str, Any], now: int) -> Instruction | None:
        """A verdict was read. An instruction when it changes what happens to the call."""
        call = self._calls.get(decision["call_id"])
        if decision["operator"] != self._operator or call is None or self._numbers(decision) != call.numbers:
            return self._only_count("of_others")
        if call.said is not None and call.said.why == "emergency":
            return self._only_count("of_emergency")
        if decision.get("late", False):
            return self._only_count("late")
        if decision.get("revises", False):
            if decision["action"] != "block" or now - (call.decided_ms or call.asked_ms) > REVISION_MS:
                return self._only_count("no_revision")
            return self._stop(decision, call, "revised", now)
        if call.decided_ms is not None:
            return self._only_count("repeated")
        call.decided_ms = now
        self._cache(decision, call)
        if call.said is None:
            call.said = self._obey(decision["call_id"], decision, call, "verdict", now)
            return self._only_count("over") if call.over else call.said
        if call.said.why == "cache":
            return self._only_count("of_cached")
        # It was let through because its time was over, and now there is a verdict that the scorer gave in time.
        self.counts["after_timeout"] += 1
        return self._stop(decision, call, "verdict", now) if decision["action"] == "block" else None

    def expire(self, now: int) -> Iterator[Instruction]:
        """Let through the calls that have waited long enough; forget those long past."""
        while self._waiting and now - self._waiting[0].asked_ms >= self._timeout_ms:
            call = self._waiting.popleft()
            if call.said is None:
                call.said = Instruction(call.call_id, "pass", "no_verdict", waited_ms=now - call.asked_ms)
                self.counts["no_verdict"] += 1
                if not call.over:
                    yield call.said
        while self._remembered and now - self._remembered[0].asked_ms > max(FORGET_MS, self._timeout_ms):
            call = self._remembered.popleft()
            if self._calls.get(call.call_id) is call:
                del self._calls[call.call_id]

    def waits(self) -> bool:
        """Whether a call still waits for its verdict."""
        return any(call.said is None for call in self._waiting)

    def _numbers(self, message: dict[str, Any]) -> tuple[str, str]:
        """Calling and called number of a set-up or a verdict, each in one spelling, of as much as verdicts repeat."""
        caller, callee = (repeated(message[name], self._plan) for name in ("caller", "callee"))
        return normalised(caller, self._plan), normalised(callee, self._plan)

    def _may_stop(self, callee: str) -> bool:
        """Whether a block of the cache holds for calls to this number."""
        called = normalised(callee, self._plan)
        spared = called in self._spared or called.startswith(self._spared_prefixes)
        return bool(self._urgent) and not spared

    def _is_emergency(self, callee: str) -> bool:
        """However it is spelled: with a display name, scheme, host, parameters, separators, a prefix or the country's code."""
        called = re.sub(r'^.*<|[>\s"]', "", callee).lower()
        called = re.split("[@;#]", re.sub("^(sips?|tel):", "", called))[0]
        if re.fullmatch(r"urn:service:sos(\..*)?", called):
            return True
        return re.sub(r"[-./()\[\]{}]", "", called).removeprefix("+") in self._urgent

    def _only_count(self, what: str) -> Instruction | None:
        self.counts[what] += 1
        return None

    def _cache(self, decision: dict[str, Any], call: _Call) -> None:
        if decision["action"] != "block" or decision.get("cache_until") is None:
            self._cached.pop(call.line, None)
            return
        if len(self._cached) >= MOST_CACHED:
            self._cached.clear()
        self._cached[call.line] = decision

    def _stop(self, decision: dict[str, Any], call: _Call, why: str, now: int) -> Instruction | None:
        """End a call that still rings."""
        if call.answered or call.over or (call.said is not None and call.said.do in {"reject", "stop"}):
            return self._only_count("nothing_to_stop")
        call.said = replace(self._obey(decision["call_id"], decision, call, why, now), do="stop")
        return call.said

    def _obey(self, call_id: str, decision: dict[str, Any], call: _Call, why: str, now: int) -> Instruction:
        action = decision["action"]
        do = {"allow": "pass", "label": "label", "withhold_cli": "withhold_cli", "divert": "divert", "block": "reject"}
        self.counts[action] += 1
        return Instruction(
            call_id,
            do.get(action, "pass"),  # an action of a newer contract: let it through
            why,
            decision.get("sip_code"),
            decision.get("sip_reason"),
            tuple(self._headers(decision)),
            decision.get("q850"),
            tuple(decision.get("reasons", ())),
            now - call.asked_ms,
        )

    def _headers(self, decision: dict[str, Any]) -> Iterator[str]:
        """What a SIP answer carries beside its status line; an ISUP release carries `q850` as its cause."""
        code, cause = decision.get("sip_code"), decision.get("q850")
        if code == 603:  # the network blocked it by analytics; the call is not to be tried again (ATIS-1000099)
            where = f";url={self._redress}" if self._redress else ""
            yield f'Reason: SIP;cause=603;text="v=analytics1{where}";location=RLN'
        if code == 608 and self._redress:  # a machine rejected it (RFC 8688)
            yield f"Call-Info: <{self._redress}>;purpose=jwscard"
        if cause is not None:  # for whoever translates to ISUP further up (RFC 3326)
            yield f"Reason: Q.850;cause={cause}"


def prefixes(plan: Plan) -> set[str]:
    """What may stand before an emergency number: trunk and international prefixes, and the country's code.

    >>> sorted(prefixes(KAZAKHSTAN))
    ['', '00', '007', '7', '8', '810', '8107']
    """
    return {"", plan.trunk, *(before + code for before in ("", *plan.international) for code in ("", plan.code))}
