"""Everything a trainer goes on from but its cases and reports: learner, measuring, versions, and where it stands in time."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Final, get_type_hints

import msgspec
from msgspec import Meta

from streamer.calls.decisions import ModelSnapshot, Whole
from streamer.errors import StateError
from streamer.models.prequential import Measure, Prequential
from streamer.models.trainer import Trainer

LAYOUT: Final = 2
"""Of what stands on `trainer.v1` and in the trainer's file; state of any other is refused."""

HOUR_MS: Final = 3_600_000
FRESH: Final = 12
"""So many of the newest versions are kept, of those before them the first of each hour."""
AT_ONCE: Final = 1_000
"""Most versions removed with one publication: before they were thinned, thousands came together."""

Two = Annotated[list[Whole], Meta(min_length=2, max_length=2)]


@dataclass
class TrainerState:
    """Held in memory by the active trainer, kept in its file, published on `trainer.v1`.

    Attributes
    ----------
    learner, measuring
        What was learned, and the windows still open to be measured.
    epoch, seq
        The turn at the lease that this state belongs to, and how many commits led to it.
    base
        (epoch, seq) of the published state that this one goes on from; None when none was published.
    version, published_at, learned_since
        Model version given last, when (ms since 1970), and whether anything was learned since.
    matured_to
        Cases decided before this (ms since 1970) were read, and taught as honest unless reported.
    measured
        What the window measured last showed.
    versions
        First version of each hour with any, and the hour (ms since 1970), while evidence made with them is kept.
    thinned_to
        Versions before this one are removed but for those of `versions`.
    """

    learner: Trainer
    measuring: Prequential
    epoch: Whole = 0
    seq: Whole = 0
    base: Two | None = None
    version: Whole = 0
    published_at: Whole = 0
    learned_since: bool = False
    matured_to: int = 0
    measured: dict[str, float] = field(default_factory=dict)
    versions: list[Two] = field(default_factory=list)
    thinned_to: Whole = 1

    @classmethod
    def new(cls, mature_ms: int) -> TrainerState:
        """A trainer that has learned nothing."""
        return cls(Trainer(), Prequential(mature_ms))

    @classmethod
    def from_json(cls, state: Mapping[str, Any], mature_ms: int) -> TrainerState:
        """What gave `state`; raises `ModelError` when its learner is of another format, `StateError` when it is itself."""
        state = {"thinned_to": 1, **state}  # a release that did not thin out versions leaves it out
        lacking = sorted({*_PLAIN, *_BESIDE, "layout"} - state.keys())
        if lacking or state["layout"] != LAYOUT:
            wrong = (
                f"lacks {', '.join(lacking)}"
                if lacking
                else f"is of layout {state['layout']}, this release reads {LAYOUT}"
            )
            raise StateError(f"the trainer's state {wrong}: another version wrote it; start that one again, "
                             "or remove its records (key `state/…`) and the trainer's file to start anew")  # fmt: skip
        try:
            plain = {name: msgspec.convert(state[name], _TYPES[name]) for name in (*_PLAIN, *_BESIDE)}
            measuring = Prequential.from_state(plain["measuring"], mature_ms)
        except ValueError as error:
            raise StateError(f"the trainer's state is damaged ({error}); remove its records (key `state/…`) and the "
                             "trainer's file to start anew") from None  # fmt: skip
        return cls(Trainer.from_state(plain["learner"]), measuring, **{name: plain[name] for name in _PLAIN})

    def to_json(self, positions: Mapping[tuple[str, int], int]) -> dict[str, Any]:
        """The state as JSON would hold it, with the next offset to read of each (topic, partition)."""
        return {
            "layout": LAYOUT,
            **{name: getattr(self, name) for name in _PLAIN},
            "positions": [[topic, part, after] for (topic, part), after in positions.items()],
            "learner": self.learner.state(),
            "measuring": self.measuring.state(),
        }

    def note(self, measure: Measure) -> None:
        """Remember what a window showed, to be told with the next model; what it cannot tell stays as it was."""
        shown = {"log_loss": measure.log_loss, "roc_auc": measure.roc_auc, "pr_auc": measure.pr_auc}
        self.measured |= {name: value for name, value in shown.items() if not math.isnan(value)}

    def snapshot(self, now: int) -> ModelSnapshot:
        """The model as scorers use it, under the present version and epoch."""
        return self.learner.snapshot(self.version, self.epoch, now, self.measured)

    def expired(self, now: int, kept_ms: int) -> list[int]:
        """Note the present version's hour; gives the versions that are to be removed now: neither fresh nor the first of an hour, or
        older than any evidence made with them.
        """
        hour = now - now % HOUR_MS
        if not self.versions or self.versions[-1][1] != hour:
            self.versions.append([self.version, hour])
        aged = []
        while len(self.versions) > 1 and self.versions[1][1] < now - kept_ms:
            aged.append(self.versions.pop(0)[0])
        first, fresh = self.thinned_to, self.version - FRESH + 1
        self.thinned_to = max(first, min(fresh, first + AT_ONCE))
        kept = {version for version, _ in self.versions}
        passed = {*range(first, self.thinned_to), *(version for version in aged if version < first)}
        return sorted(passed - kept)


_PLAIN: Final = (
    "epoch", "seq", "base", "version", "published_at", "learned_since", "matured_to", "measured", "versions", "thinned_to",
)  # fmt: skip
_BESIDE: Final = {"positions": list[tuple[str, int, int]], "learner": dict[str, Any], "measuring": dict[str, Any]}
_TYPES: Final = get_type_hints(TrainerState, include_extras=True) | _BESIDE


def descends(mine: Mapping[str, Any], published: Mapping[str, Any]) -> bool:
    """Whether the state in our own file goes on from the published one, or is that trainer's own and not older."""
    if mine["base"] == [published["epoch"], published["seq"]]:
        return True
    return bool(mine["epoch"] == published["epoch"] and mine["seq"] >= published["seq"])
