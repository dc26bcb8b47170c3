"""Taking over: a trainer's own file where it goes on from what was published last, else what was published.

The file is rebuilt from `trainer.v1`, which says what became of each case and keeps the reports, and from the evidence
itself, of which only what was held as a case is read again. Nothing is judged anew, so that nothing is learned twice, or
never, whatever the order in which things came.
"""

from __future__ import annotations

import logging
from typing import Any, Final

from streamer.calls import codec
from streamer.kafka.clients import GoOn
from streamer.kafka.topics import Topics
from streamer.settings import Settings
from streamer.training.cases import Cases
from streamer.training.log import Left
from streamer.training.reader import read_again
from streamer.training.state import TrainerState, descends

_STATE: Final = "state"

log = logging.getLogger("streamer.trainer")


def keep(cases: Cases, state: TrainerState) -> None:
    """Keep the state in the trainer's file, to be committed with what it was learned from."""
    cases.keep(_STATE, state.to_json(cases.positions()))


def resumed(settings: Settings, cases: Cases, left: Left, mature_ms: int, go_on: GoOn) -> TrainerState:
    """The state to go on from, and `cases` as it was with that state, still to be committed.

    Raises `StateError` or `ModelError` for state that another version wrote, `StoppedError` once `go_on` says no.
    """
    own = cases.kept(_STATE)
    if left.state is not None and (own is None or not descends(own, left.state)):
        state = TrainerState.from_json(left.state, mature_ms)
        state.base = [state.epoch, state.seq]
        _rebuild(settings, cases, left.state, left.file, go_on)
    else:
        state = TrainerState.new(mature_ms) if own is None else TrainerState.from_json(own, mature_ms)
        if left.state is None:  # nothing was published, or it was removed: what still stands there is not ours
            cases.changes.publish_all()
            cases.changes.publish_again(left.file)
    state.version = max(state.version, left.version)
    return state


def _rebuild(settings: Settings, cases: Cases, state: dict[str, Any], file: dict[str, bytes], go_on: GoOn) -> None:
    """Make `cases` what it was when `state` was published with `file`."""
    targets = {(topic, part): after for topic, part, after in state["positions"]}
    log.info("taking over from epoch %d: reading evidence again", state["epoch"])
    cases.forget_all()
    marks = cases.changes.restore(file)
    for message in read_again(settings, Topics(settings).evidence, targets, go_on):
        part, offset = int(message.partition() or 0), int(message.offset() or 0)
        mark = marks.of(part, offset)
        if mark is not None:
            cases.put(codec.decode_evidence(message.value()), part, offset, mark)
    # Of what is as it was published nothing has to be sent again, but marks of evidence that is no longer there.
    cases.changes.published()
    cases.changes.publish_again(key for key in file if key.startswith("marks/"))
    cases.read_to(targets)
