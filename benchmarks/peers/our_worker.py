"""This project's worker as it is run in production; `judge` in the task says whether with its engine or with the trivial work."""

from typing import Any

from work import TASK, judge

from streamer.commands.worker import run
from streamer.outcomes import Outcomes
from streamer.settings import load


class TrivialJudge:
    """In the engine's place: what the other peers do, and nothing else."""

    def process(self, batch: Any, now_ms: int, shed: bool = False) -> Outcomes:
        """One decision a record."""
        return Outcomes(decisions=[(row, *judge(value)) for row, value in enumerate(batch.values)])

    def apply(self, kind: str, key: str, value: bytes | None) -> None:
        """Control records mean nothing to it."""

    def adopt(self, partition: int) -> None:
        """It holds nothing by partition."""

    def drop(self, partition: int) -> None:
        """It holds nothing by partition."""

    def tick(self, partition: int, now_ms: int) -> None:
        """It has no timers."""


if __name__ == "__main__":
    run(load(**TASK["settings"]), None if TASK["judge"] == "engine" else TrivialJudge())
