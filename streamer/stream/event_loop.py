"""An event loop that waits for records, in the thread that judges them.

Two threads of one interpreter, one that polls and one that judges, hand every batch over through the kernel twice and want
the interpreter's lock at the same moments: at 5,000 calls a second that takes longer than judging. Here the loop waits in
the consumer's poll where another would wait for files. What other threads and sockets want of the loop is seen after each
poll, so polls are short.

A rebalance is called from within a poll, and has to wait there until what is in flight is judged and delivered:
`EventLoop.step` goes on with everything but polling meanwhile.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable
from typing import Final

Turn = Callable[[float], bool]
"""Waits at most so many seconds for records and hands over what came; gives false where it did not wait."""

_LONGEST_S: Final = 0.05
_WHILE_HELD_S: Final = 0.001
"""How long files are waited for where there is a turn that does not wait by itself."""


class _Selector(selectors.DefaultSelector):
    """Takes a turn before it looks at files."""

    def __init__(self) -> None:
        super().__init__()
        self.turn: Turn | None = None
        self._within = False

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """As of `selectors`; not while a turn is being taken."""
        wait_s = _LONGEST_S if timeout is None else min(timeout, _LONGEST_S)
        if self._within:
            return super().select(min(wait_s, _WHILE_HELD_S))
        if self.turn is None:
            return super().select(timeout)
        self._within = True
        try:
            waited = self.turn(wait_s)
        finally:
            self._within = False
        return super().select(0 if waited else min(wait_s, _WHILE_HELD_S))


class EventLoop(asyncio.SelectorEventLoop):
    """asyncio's, which takes a turn of its own in each of its rounds once `take_turns` was called."""

    def __init__(self) -> None:
        self._turns = _Selector()
        super().__init__(self._turns)

    def take_turns(self, turn: Turn | None) -> None:
        """Take these turns from now on; None: none."""
        self._turns.turn = turn

    def step(self) -> None:
        """One round of the loop, from within a turn."""
        self._run_once()  # type: ignore[attr-defined]


def install() -> None:
    """Make such a loop this thread's. To be called before anything of Faust, which keeps the first loop that it sees."""
    asyncio.set_event_loop(EventLoop())
