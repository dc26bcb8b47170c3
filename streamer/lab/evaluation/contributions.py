"""What each detector is worth beside the others: what it blocks alone, what with others, and what of that is wrong."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from streamer.detectors import DETECTORS
from streamer.lab.evaluation.verdicts import Verdict
from streamer.lab.truth import Truth


@dataclass
class Contribution:
    """Of one detector: fraudulent calls that were blocked because of it alone, and because of it and others; wrong blocks
    likewise; what it caught by fraud type.
    """

    alone: int = 0
    shared: int = 0
    wrong_alone: int = 0
    wrong_shared: int = 0
    frauds: Counter[str] = field(default_factory=Counter)

    @property
    def wrong(self) -> int:
        """All wrong blocks that it asked for."""
        return self.wrong_alone + self.wrong_shared


class Contributions:
    """Counts the blocks, by who asked for them; `by` has every detector, the model and the block list."""

    def __init__(self) -> None:
        names = (*(detector.id for detector in DETECTORS), "model", "list")
        self.by: dict[str, Contribution] = {name: Contribution() for name in names}

    def add(self, truth: Truth, verdict: Verdict) -> None:
        """Count one set-up."""
        if verdict.action != "block":
            return
        asking = {reason.partition(".")[0] for reason in verdict.asking()}
        alone = len(asking) == 1
        for name in asking:
            found = self.by[name]
            if truth.fraud is None:
                found.wrong_alone += alone
                found.wrong_shared += not alone
            else:
                found.alone += alone
                found.shared += not alone
                found.frauds[truth.fraud] += 1
