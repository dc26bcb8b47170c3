"""The five dashboards. Every metric is in docs/metrics.md, every `streamer:` series in deploy/prometheus/rules/recording.yml."""

from __future__ import annotations

from typing import Final, Literal

from streamer.dashboards.panels import Board, Panel, Query

_OF: Final = '{operator=~"$operator"}'


def _rate(metric: str, by: str = "", matching: str = "") -> str:
    return f"sum{f' by ({by}) ' if by else ''}(rate({metric}{matching}[$__rate_interval]))"


def _one(
    title: str,
    description: str,
    unit: str,
    expr: str,
    legend: str = "",
    kind: Literal["timeseries", "stat"] = "timeseries",
) -> Panel:
    return Panel(title, description, unit, (Query(expr, legend),), kind)


def _stat(title: str, description: str, unit: str, expr: str, legend: str = "") -> Panel:
    return Panel(title, description, unit, (Query(expr, legend),), "stat", width=6, height=4)


def _quantiles(*of: float) -> tuple[Query, ...]:
    buckets = _rate("streamer_decision_latency_seconds_bucket", "le")
    return tuple(Query(f"histogram_quantile({q}, {buckets})", f"p{q * 100:g}") for q in of)


_SETUPS: Final = _rate("streamer_setups_total")
_BLOCKED: Final = _rate("streamer_blocks_total")

OVERVIEW: Final = Board("overview", "streamer: overview", (
    _stat("Set-ups", "Verdicts given a second", "ops", _SETUPS),
    _stat("Blocked", "Share of set-ups blocked, revised ones too", "percentunit", f"{_BLOCKED} / {_SETUPS}"),
    _stat("Lag", "Age of the newest record judged when it was, worst partition", "s", "streamer:lag_seconds:max"),
    _stat("p99", "From a set-up's append to its verdict, five minutes", "s", "streamer:decision_latency_seconds:p99"),
    _stat("Workers", "Workers that answer", "short", 'sum(up{job="streamer-worker"})'),
    Panel("Trainer and merger", "Of each one holds the lease", "short", (
        Query("sum(streamer_trainer_active)", "trainer"), Query("sum(streamer_signals_active)", "merger")), "stat", width=6, height=4),
    _stat("Alerts", "Alerts that fire", "short", 'count(ALERTS{alertstate="firing"}) or vector(0)'),
    _stat("Demotions", "Detectors that the governor holds in shadow, by operator and trunk", "short", "max(streamer_governor_demotions_held)"),
    _one("Verdicts", "By the action first said", "ops", _rate("streamer_decisions_total", "action"), "{{action}}"),
    Panel("Latency", "From a set-up's append to its verdict", "s", _quantiles(0.5, 0.99)),
    _one("Set-ups by operator", "Verdicts given a second", "ops", _rate("streamer_setups_total", "operator"), "{{operator}}"),
    _one("In force", "Workers by what they judge by: one line when all agree", "short",
         "count by (policy, model) (streamer_versions_info)", "{{policy}} {{model}}"),
))  # fmt: skip

LATENCY: Final = Board("latency", "streamer: latency and lag", (
    Panel("Latency", "From a set-up's append to its verdict being handed to the producer", "s", _quantiles(0.5, 0.9, 0.99, 0.999)),
    _one("Late", "Share of verdicts after the operator's deadline, which switches ignore", "percentunit", "streamer:late_share"),
    _one("Age by partition", "Age of the newest record judged when it was; 0 with nothing waiting", "s",
         "max by (partition) (streamer_lag_seconds)", "{{partition}}"),
    _one("Waiting by partition", "Records not yet finished", "short", "sum by (partition) (streamer_lag_records)", "{{partition}}"),
    _one("Records", "Records of calls.v1 taken in", "ops", _rate("streamer_records_total")),
    _one("Records a batch", "Mean; it grows with the load", "short",
         f"{_rate('streamer_batch_records_sum')} / {_rate('streamer_batch_records_count')}"),
    _one("Batches in flight", "Batches whose messages are not all delivered", "short", "sum by (instance) (streamer_batches_in_flight)",
         "{{instance}}"),
    _one("Shed", "Batches whose sampled evidence was left out since the input lags", "ops", _rate("streamer_shed_batches_total")),
    _one("Throttled", "Set-ups let through unjudged, since the operator had its max_share while the input lagged", "ops",
         _rate("streamer_throttled_total", "operator"), "{{operator}}"),
    _one("Partitions owned", "By worker", "short", "sum by (instance) (streamer_partitions)", "{{instance}}"),
    _one("Checkpoints", "Age of the state that is committed, worst partition; 0 while nothing has come since", "s",
         "streamer:checkpoint_age_seconds:max"),
    Panel("Saved", "Bytes of checkpoints a second before compression, and rows of callers read back", "short", (
        Query(_rate("streamer_checkpoint_bytes_total"), "bytes saved"),
        Query(_rate("streamer_restored_callers_total"), "callers read back"))),
    Panel("Restoring", "Partitions that rest until their state is there; partitions read back, checkpoints and set-ups that were judged again", "short", (
        Query("streamer:restoring_partitions:sum", "rest"), Query("sum(streamer_restored_partitions_total)", "read back"),
        Query(_rate("streamer_checkpoints_total"), "checkpoints a second"), Query("sum(streamer_said_before_total)", "judged again"))),
    Panel("State", "Callers held, and what was given up since the store was full", "short", (
        Query("sum(streamer_callers)", "callers"), Query("sum(streamer_callers_evicted)", "callers given up"),
        Query("sum(streamer_calls_evicted)", "calls given up"))),
))  # fmt: skip

DETECTORS: Final = Board("detectors", "streamer: detectors and blocks", (
    _one("Block share", "By operator, five minutes", "percentunit", f"streamer:block_share{_OF}", "{{operator}}"),
    _one("Block share against the day", "1: as over the last day; below 0.1 and above 10 something changed", "short",
         f"streamer:block_share:to_day{_OF}", "{{operator}}"),
    _one("Blocks by detector", "A block counts for each detector that gave a reason", "ops",
         _rate("streamer_block_reasons_total", "detector", _OF), "{{detector}}"),
    _one("Blocks by trunk", "The ten highest", "ops", f"topk(10, {_rate('streamer_blocks_total', 'operator, trunk', _OF)})",
         "{{operator}} {{trunk}}"),
    _one("Blocks by detector and trunk", "The ten highest", "ops",
         f"topk(10, {_rate('streamer_block_reasons_total', 'detector, operator, trunk', _OF)})", "{{detector}} {{operator}} {{trunk}}"),
    _one("Reasons", "Of all verdicts, labels among them", "ops", _rate("streamer_reasons_total", "reason"), "{{reason}}"),
    _one("Waited for", "Calls that waited for their origination, by what came of it; the revised ones are blocked while they ring", "ops",
         _rate("streamer_originations_total", "came"), "{{came}}"),
    _one("Revised", "Share of set-ups that were let through and blocked two seconds later, five minutes", "percentunit",
         "streamer:revised_share"),
    _one("In shadow", "What would stand if shadow were enforced", "ops", _rate("streamer_shadow_decisions_total", "action"), "{{action}}"),
    _one("Good lines asked for", "Lines in good standing asked to be blocked over such lines, last hour, worst trunk", "percentunit",
         f"max by (detector, operator) (streamer_governor_block_share{_OF})", "{{detector}} {{operator}}"),
    _one("Signals", "Subjects that stand out over all partitions, told to every worker", "ops",
         _rate("streamer_signals_published_total", "kind"), "{{kind}}"),
    Panel("Merging", "Messages of partial sums merged and not merged yet, those that came again, subjects not counted for want of room", "short", (
        Query(_rate("streamer_signals_sums_merged_total"), "merged a second"), Query("sum(streamer_signals_lag)", "not merged yet"),
        Query("sum(streamer_signals_sums_repeated_total)", "came again"), Query("sum(streamer_signals_refused)", "no room"))),
    _one("Subjects", "Held by the merger", "short", "sum by (kind) (streamer_signals_subjects)", "{{kind}}"),
    _one("Cases", "Opened or changed, by fraud and by the measure that is proposed, five minutes", "short",
         "streamer:cases:increase5m", "{{kind}} {{measure}}"),
    _one("Demotions", "Published by the governor in all", "short",
         f"sum by (detector, operator) (streamer_governor_demotions_total{_OF})", "{{detector}} {{operator}}"),
    _one("Alarms", "Detectors outside their band that stay in force, five minutes", "short",
         f"streamer:governor_alarms:increase5m{_OF}", "{{detector}} {{operator}}"),
), by_operator=True)  # fmt: skip

MODEL: Final = Board("model", "streamer: model", (
    _stat("Published", "Version published last", "short", "max(streamer_trainer_model_version)"),
    _stat("In force", "Oldest version that a worker judges by", "short", "min(streamer_model_version)"),
    _stat("Age", "Since the model was taken, oldest worker", "s", "streamer:model_age_seconds"),
    _stat("Policy", "Since the policy was taken, oldest worker", "s", "streamer:policy_age_seconds"),
    Panel("Quality", "Prequential, of the window measured last", "short", (
        Query("max(streamer_trainer_roc_auc)", "ROC AUC"), Query("max(streamer_trainer_pr_auc)", "PR AUC"))),
    _one("Log loss", "Prequential, of the window measured last; less is better", "short", "max(streamer_trainer_log_loss)"),
    _one("Learned", "Cases by label", "ops", _rate("streamer_trainer_cases_learned_total", "label"), "{{label}}"),
    _one("Reports", "By what became of them", "ops", _rate("streamer_trainer_feedback_total", "outcome"), "{{outcome}}"),
    _one("Window", "Calls that the window measured last stands for", "short", "max by (label) (streamer_trainer_window_calls)", "{{label}}"),
    Panel("Evidence", "Records sent by workers and read by the trainer", "ops", (
        Query(_rate("streamer_evidence_total"), "sent"), Query(_rate("streamer_trainer_evidence_total"), "read"))),
    Panel("Held and corrected", "Cases held to be joined; cases learned again with the other label; labels after their window", "short", (
        Query("sum(streamer_trainer_cases_held)", "held"), Query("sum(streamer_trainer_cases_corrected_total)", "corrected"),
        Query("sum(streamer_trainer_late_labels)", "late"))),
    _one("Behind", "Versions published that the slowest worker has not taken", "short", "streamer:model_versions_behind"),
    _one("Windows measured", "Matured windows in all", "short", "sum(streamer_trainer_windows_measured_total)"),
    Panel("Trainer", "Models published, and the epoch of its lease", "short", (
        Query("sum(streamer_trainer_models_published_total)", "published"), Query("max(streamer_trainer_epoch)", "epoch"))),
))  # fmt: skip

INPUT: Final = Board("input", "streamer: input quality", (
    _one("Dead letters", "Records that could not be taken in, five minutes", "short", "streamer:dead_letters:increase5m", "{{topic}} {{reason}}"),
    _one("Dead letters of the trainer", "Five minutes", "short", "streamer:trainer_dead_letters:increase5m", "{{reason}}"),
    _one("Dead letters of the merger", "Five minutes", "short", "streamer:signals_dead_letters:increase5m", "{{reason}}"),
    _one("Moved", "Records in a wrong partition, five minutes", "short", f"streamer:rekeyed:increase5m{_OF}", "{{operator}}"),
    _one("Clock skew", "Append time less the operator's time, smoothed; below 0 its clock is ahead", "s",
         f"streamer:clock_skew_seconds{_OF}", "{{operator}}"),
    _one("Times out of bounds", "Over set-ups, five minutes", "percentunit", f"streamer:clamped_share{_OF}", "{{operator}}"),
    _one("Bad share", "Of the latest records; above `brake_share` the worker stops", "percentunit",
         "max by (instance) (streamer_bad_input_share)", "{{instance}}"),
    _one("Repeated", "Set-ups answered again with the same content", "ops", _rate("streamer_repeated_total")),
    Panel("Control", "Records of control topics and facts applied; workers that cannot read them", "short", (
        Query(_rate("streamer_control_records_total"), "applied a second"),
        Query("sum(streamer_control_unreachable)", "cannot read"))),
), by_operator=True)  # fmt: skip

BOARDS: Final = (OVERVIEW, LATENCY, DETECTORS, MODEL, INPUT)
