"""What ops watch: prometheus metrics of one worker, in a registry of its own."""

from __future__ import annotations

from collections import defaultdict
from typing import Any, Final, get_args

from prometheus_client import CollectorRegistry, Counter, Gauge, Info

from streamer.outcomes import Tally
from streamer.reasons import names_of
from streamer.revisions import Came
from streamer.stream.clock_metrics import ClockMetrics
from streamer.stream.distribution import Distribution
from streamer.stream.identity_metrics import IdentityMetrics
from streamer.stream.state_metrics import StateMetrics
from streamer.versions import told

BUCKETS_S: Final = (0.001, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.015, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60)
_BATCH_BUCKETS: Final = (1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 2000.0)
MOST_OPERATORS: Final = 1_000
"""Operators that have labels of their own; a country has hundreds."""
MOST_TRUNKS: Final = 2_000
"""Trunks that have labels of their own, all operators together."""


class Metrics:
    """All metrics of a scoring worker; names begin with `streamer_`.

    What is counted of batches is shown when `show` is called: the library's counters take a lock and look their labels up
    each time, which for a batch of ten set-ups is a tenth of what judging them costs.
    """

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._operators: set[str] = set()
        self._trunks: set[tuple[str, str]] = set()
        self._ages: dict[int, float] = {}
        self._counted: dict[tuple[Counter, tuple[str, ...]], int] = defaultdict(int)
        self._in_force: tuple[str, str | None] = ("", "")
        own: dict[str, Any] = {"registry": self.registry}
        self.decisions = Counter(
            "streamer_decisions",
            "Verdicts by the action first said, one for each set-up; a revision counts among the blocks alone",
            ["action"],
            **own,
        )
        self.shadow = Counter(
            "streamer_shadow_decisions", "What would stand if shadow were enforced", ["action"], **own
        )
        self.reasons = Counter("streamer_reasons", "Reasons of verdicts and of revisions", ["reason"], **own)
        self.setups = Counter("streamer_setups", "Set-ups judged", ["operator"], **own)
        self.throttled = Counter(
            "streamer_throttled",
            "Set-ups let through unjudged, since the operator had its max_share while the input lagged",
            ["operator"],
            **own,
        )
        place = ["operator", "trunk"]
        self.blocks = Counter(
            "streamer_blocks", "Set-ups blocked, revised ones too; trunk empty where none was named", place, **own
        )
        self.blockers = Counter(
            "streamer_block_reasons",
            "Set-ups blocked, revised ones too, once for each detector that gave a reason",
            [*place, "detector"],
            **own,
        )
        self.latency = Distribution(
            "streamer_decision_latency_seconds",
            "Append of a set-up to its verdict being handed to the producer",
            BUCKETS_S,
        )
        self.registry.register(self.latency)
        self.records = Counter("streamer_records", "Records of calls.v1 taken in", **own)
        self.batch = Distribution("streamer_batch_records", "Records a batch", _BATCH_BUCKETS)
        self.registry.register(self.batch)
        self._lag = Gauge("streamer_lag_records", "Records not yet finished, by partition", ["partition"], **own)
        self._age = Gauge(
            "streamer_lag_seconds",
            "Age of the newest record judged when it was; 0 with nothing waiting",
            ["partition"],
            **own,
        )
        self.callers = Gauge("streamer_callers", "Callers held, each origin class counted", **own)
        self.evicted = Gauge("streamer_callers_evicted", "Callers given up since the store was full", **own)
        self.calls_evicted = Gauge(
            "streamer_calls_evicted",
            "Calls and pairs forgotten while they still counted, since max_calls was reached",
            **own,
        )
        self.state = StateMetrics(self.registry)
        self.identity = IdentityMetrics(self.registry)
        self.dead = Counter("streamer_dead_letters", "Records that could not be taken in", ["topic", "reason"], **own)
        self.rekeyed = Counter(
            "streamer_rekeyed", "Records produced again into the partition they belong to", ["operator"], **own
        )
        self.clamped = Counter("streamer_clamped", "Times out of bounds of the append time", ["operator"], **own)
        self.clocks = ClockMetrics(self.registry)
        self.repeated = Counter("streamer_repeated", "Set-ups answered again with the same content", **own)
        self.late = Counter("streamer_late_decisions", "Verdicts after the operator's deadline", **own)
        self.awaiting = Counter(
            "streamer_originations",
            "Calls that had to wait for their origination, by what came of them: verified (its origination, or where it came in from abroad, was seen late), answered, shadow, revised",
            ["came"],
            **own,
        )
        for came in get_args(Came):
            self.awaiting.labels(came)  # 0 from the start on, so that the first revisions are a rate
        self.in_flight = Gauge("streamer_batches_in_flight", "Batches whose messages are not all delivered", **own)
        self.partitions = Gauge("streamer_partitions", "Partitions owned", **own)
        self.bad_share = Gauge("streamer_bad_input_share", "Share of bad records among the last looked back on", **own)
        self.evidence = Counter("streamer_evidence", "Evidence records sent", **own)
        self.shed = Counter(
            "streamer_shed_batches", "Batches whose sampled evidence was left out since the input lags", **own
        )
        self.control = Counter("streamer_control_records", "Records of control topics and facts applied", **own)
        self.ignored = Counter(
            "streamer_control_ignored", "Control records of a kind that this version does not know", ["topic"], **own
        )
        self.awaited = Gauge(
            "streamer_awaited", "1 while a policy or model is asked for that is not in force here", ["kind"], **own
        )
        self.unreachable = Gauge("streamer_control_unreachable", "1 while control topics cannot be read", **own)
        self.kill_switch = Gauge(
            "streamer_kill_switch", "1 while the policy in force turns every action into allow", **own
        )
        self.held_back = Gauge(
            "streamer_operators_held_back",
            "Registered operators whose calls are all let through, by mode",
            ["mode"],
            **own,
        )
        own_labels = ["detector", "operator"]
        self.demotions = Counter(
            "streamer_governor_demotions", "Demotions published by the governor", own_labels, **own
        )
        self.alarms = Counter(
            "streamer_governor_alarms",
            "Detectors outside their band that stay in force: origin detectors, and others where demotions are too many",
            own_labels,
            **own,
        )
        self.demoted = Gauge(
            "streamer_governor_demotions_held", "Demotions in force: of the policy topic, and of the policy", **own
        )
        self._share = Gauge(
            "streamer_governor_block_share",
            "Lines in good standing asked to be blocked over such lines, last hour, worst trunk; absent while none",
            own_labels,
            **own,
        )
        self._shares: set[tuple[str, str]] = set()
        self.versions = Info("streamer_versions", "Policy and model in force", **own)
        Info("streamer_build", "This worker's version, its messages' and its exported state's", **own).info(told())
        self.policy_since = Gauge(
            "streamer_policy_taken_timestamp_seconds", "When this worker took the policy in force", **own
        )
        self.model_since = Gauge(
            "streamer_model_taken_timestamp_seconds", "When this worker took the model in force; 0 without one", **own
        )
        self.model = Gauge("streamer_model_version", "Version of the model in force; 0 without one", **own)

    def operator(self, name: str) -> str:
        """The label of an operator: its name, or `other` once `MOST_OPERATORS` names have come, so that no publisher can exhaust memory."""
        if name not in self._operators:
            if len(self._operators) >= MOST_OPERATORS:
                return "other"
            self._operators.add(name)
            # 0 from the first call on: what is missing would look like what is not measured
            self.throttled.labels(name)
        return name

    def trunk(self, operator: str, trunk: str) -> tuple[str, str]:
        """The labels of an operator's trunk; `other` once `MOST_TRUNKS` have come, as for operators."""
        place = self.operator(operator), trunk
        if place not in self._trunks:
            if len(self._trunks) >= MOST_TRUNKS:
                return place[0], "other"
            self._trunks.add(place)
        return place

    def in_force(self, policy: str, model: str | None, now_s: float) -> bool:
        """Show what rules, `model` as `name@version`; gives whether anything changed. `now_s`: seconds since 1970."""
        before, self._in_force = self._in_force, (policy, model)
        if before == self._in_force:
            return False
        self.versions.info({"policy": policy, "model": model or "none"})
        if before[0] != policy:
            self.policy_since.set(now_s)
        if before[1] != model:
            self.model_since.set(now_s if model else 0)
            number = (model or "").rpartition("@")[2]
            self.model.set(int(number) if number.isdecimal() else 0)
        return True

    def show_shares(self, shares: dict[tuple[str, str], float]) -> None:
        """Set the governor's shares by (detector, operator); those that are not given show nothing."""
        shown: dict[tuple[str, str], float] = {}
        for (detector, name), share in shares.items():
            labels = detector, self.operator(name)
            shown[labels] = max(shown.get(labels, 0.0), share)
        for labels in self._shares - set(shown):
            self._share.remove(*labels)
        for labels, share in shown.items():
            self._share.labels(*labels).set(share)
        self._shares = set(shown)

    def lag(self, partition: int, records: int) -> None:
        """Set the lag of a partition; one with nothing waiting has no age either."""
        self._lag.labels(str(partition)).set(records)
        if not records:
            self._age.labels(str(partition)).set(0)

    def age(self, partition: int, seconds: float) -> None:
        """Note the age of the newest record of a partition that was just judged."""
        self._ages[partition] = max(seconds, 0.0)

    def forget(self, partition: int) -> None:
        """A partition that is owned no more shows nothing."""
        self._ages.pop(partition, None)
        self._lag.remove(str(partition))
        self._age.remove(str(partition))
        self.state.forget(partition)

    def observe(self, batch: Any, outcomes: Any, now_ms: float, *, shed: bool) -> None:
        """Count what a batch came to."""
        counted, n = self._counted, len(batch.values)
        counted[self.records, ()] += n
        self.batch.observe({n: 1})
        append_ms, appended = batch.append_ms, Tally[int]()
        for row, _, _ in outcomes.decisions:
            appended[append_ms[row]] += 1
        self.latency.observe({max(now_ms - at, 0.0) / 1000: times for at, times in appended.items()})
        for alone, times in (
            (self.shed, shed),
            (self.evidence, len(outcomes.evidence)),
            (self.repeated, outcomes.repeated),
            (self.state.said_before, outcomes.said_before),
            (self.late, outcomes.late),
        ):
            if times:
                counted[alone, ()] += times
        for by_name, found in (
            (self.decisions, outcomes.actions),
            (self.shadow, outcomes.shadow_actions),
        ):
            for name, times in found.items():
                counted[by_name, (name,)] += times
        for by_operator, found in (
            (self.setups, outcomes.setups),
            (self.throttled, outcomes.throttled),
            (self.clamped, outcomes.clamped),
        ):
            for name, times in found.items():
                counted[by_operator, (self.operator(name),)] += times
        for operator, delay_ms in outcomes.delays.items():
            self.clocks.heard(self.operator(operator), delay_ms / 1000, now_ms / 1000)
        self.count_said(outcomes)

    def count_said(self, outcomes: Any) -> None:
        """Count blocks, reasons and what came of calls that had to wait, be they of a batch or of revisions alone."""
        counted = self._counted
        for came, n in outcomes.came.items():
            counted[self.awaiting, (came,)] += n
        for reason, n in outcomes.reasons.items():
            counted[self.reasons, (reason,)] += n
        for (operator, trunk, mask), n in outcomes.blocked.items():
            place = self.trunk(operator, trunk)
            counted[self.blocks, place] += n
            for detector in {reason.partition(".")[0] for reason in names_of(mask)}:
                counted[self.blockers, (*place, detector)] += n

    def show(self) -> None:
        """Show what was counted and noted of batches since this was called last."""
        for (counter, labels), n in self._counted.items():
            (counter.labels(*labels) if labels else counter).inc(n)
        for partition, seconds in self._ages.items():
            self._age.labels(str(partition)).set(seconds)
        self.clocks.show()
        self._counted.clear()
        self._ages.clear()
