"""This project's worker as it is run in production; `judge` in the task says whether with its engine or with the trivial work."""

from work import TASK, judge

from streamer.commands.worker import run
from streamer.outcomes import Outcomes
from streamer.records import Batch
from streamer.settings import load
from streamer.stream.judge import Judge


class TrivialJudge(Judge):
    """In the engine's place: what the other peers do, and nothing else."""

    def process(self, batch: Batch, now_ms: int, shed: bool = False) -> Outcomes:
        """One decision a record."""
        return Outcomes(decisions=[(row, *judge(value)) for row, value in enumerate(batch.values) if value is not None])


if __name__ == "__main__":
    run(load(**TASK["settings"]), None if TASK["judge"] == "engine" else TrivialJudge())
