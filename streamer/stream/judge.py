"""What the scoring agent asks of the engine, and what one that has no policy, model or state answers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Final, Protocol, runtime_checkable

from streamer.calls.decisions import Decision, Demotion, Policy
from streamer.checkpoint import Copied, Opened
from streamer.outcomes import Outcomes
from streamer.records import Batch
from streamer.revisions import Revision

_NO_POLICY: Final = Policy(version="")


class Judge(Protocol):
    """The engine as the agent sees it. What benchmarks and tests put in its place derives from this, and has no more to
    say than `process`.
    """

    def process(self, batch: Batch, now_ms: int, shed: bool = False) -> Outcomes:
        """The outcomes of a batch; `now_ms` becomes `decided_at`, `shed` leaves sampled evidence out."""
        ...

    def stages(self, batch: Batch, now_ms: int, shed: bool = False) -> Iterator[Outcomes]:
        """As `process`: gives the outcomes once the decisions are among them, and when asked again adds what goes with these and
        ends. It is asked again before anything else is asked.
        """
        yield self.process(batch, now_ms, shed)

    def apply(self, kind: str, key: str, value: bytes | None) -> str | None:
        """Take in a control record; gives why it was ignored, if it was. Raises `MessageError` for one that is refused."""
        return None

    def adopt(self, partition: int) -> None:
        """Begin with a partition."""

    def drop(self, partition: int) -> None:
        """Forget a partition."""

    def due(self, partition: int) -> int | None:
        """When a tick has a call to settle, ms since 1970; None when none waits."""
        return None

    def tick(self, partition: int, now_ms: int) -> Outcomes:
        """The clock of a partition; gives revisions, which are kept until `delivered` is told of them."""
        return Outcomes()

    def delivered(self, revisions: Iterable[Revision]) -> None:
        """These revisions are in the log."""

    @property
    def policy(self) -> Policy:
        """The policy in force."""
        return _NO_POLICY

    @property
    def model_version(self) -> str | None:
        """The model in force, as `name@version`."""
        return None

    @property
    def awaited(self) -> Mapping[str, str]:
        """The policy (`policy`) and the model (`models`) that are asked for and not in force."""
        return {}

    @property
    def demotions(self) -> Mapping[str, Demotion]:
        """The demotions of the policy topic by their keys."""
        return {}

    @property
    def held_back(self) -> Mapping[str, int]:
        """How many operators run in `shadow` and in `off`, by mode."""
        return {}

    @property
    def callers_held(self) -> int:
        """Callers remembered, each origin class counted."""
        return 0

    @property
    def evicted(self) -> int:
        """Callers given up because there was no room."""
        return 0

    @property
    def calls_evicted(self) -> int:
        """Calls, and pairs of numbers, given up while they still counted."""
        return 0


@runtime_checkable
class KeepsState(Protocol):
    """A judge that remembers: what is asked of it so that its state is saved and restored."""

    def clear(self, partition: int) -> None:
        """Forget what was put into a partition."""

    def watch(self, partition: int) -> None:
        """Begin to note what changes in a partition."""

    def whole(self, partition: int) -> Copied:
        """All that a watched partition holds."""

    def changes(self, partition: int, first_bucket: int) -> Copied:
        """What changed in a watched partition since it was last copied, and some buckets from this one on."""

    def pieces(self, copied: Copied) -> Iterator[bytes]:
        """A copy as bytes for messages. From any thread."""

    def opened(self, partition: int, packed: bytes) -> Opened:
        """Bytes made sure of. From any thread. Raises `StateError`."""

    def put(self, opened: Opened) -> None:
        """Take in a piece of state."""

    def said_before(self, partition: int, offset: int, decision: Decision) -> None:
        """A decision in the log about a record that is yet to come: it stands."""
