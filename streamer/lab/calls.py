"""A simulated call under way."""

from __future__ import annotations

from streamer.calls.events import Answer, End, Setup
from streamer.lab.drafts import Draft


class Call:
    """A call under way: the next of its events is due on the heap under number `due`.

    `shift` is by how much times in its events differ from those at which they are published; `luck` from 0 to 1 decides on
    what gets lost.
    """

    __slots__ = ("answered", "begun", "draft", "due", "luck", "setup", "shift")

    def __init__(self, setup: Setup, draft: Draft, shift: int, luck: float) -> None:
        self.setup = setup
        self.draft = draft
        self.shift = shift
        self.luck = luck
        self.due = 0
        self.begun = False
        self.answered = False

    def answer(self, at: int) -> Answer:
        """The event that says that it was answered."""
        setup = self.setup
        return Answer(
            call_id=setup.call_id,
            at=at + self.shift,
            operator=setup.operator,
            caller=setup.caller,
            callee=setup.callee,
            ring_ms=self.draft.ring_ms,
            cell=setup.cell,
        )

    def end(self, at: int) -> End:
        """The event that says that it is over."""
        setup, draft = self.setup, self.draft
        return End(
            call_id=setup.call_id,
            at=at + self.shift,
            operator=setup.operator,
            caller=setup.caller,
            callee=setup.callee,
            ring_ms=draft.ring_ms,
            talk_ms=draft.talk_ms,
            cause=draft.cause,
            released_by=draft.released_by,
            cell=setup.cell,
        )
