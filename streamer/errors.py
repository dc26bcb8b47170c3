"""The exception tree.

StreamerError                  anything this package raises on purpose
├── SettingsError              a setting is unknown, missing or out of range
├── MessageError               a record is not what the contract says (ends in the dead letters)
├── StateError                 exported state cannot be taken in (damaged, forged, of other settings, another layout or partition)
├── ModelError                 a model snapshot is damaged, of another layout or older than the one in use
├── BrokerError                the local broker could not be installed, started or stopped
├── TopicError                 topics that exist differ from what the contract asks for
├── DeliveryError              the broker refused or lost a message that had to be delivered
├── TransportError             the consumer cannot go on (a batch that never finishes, a drain out of time)
├── StoppedError               asked to stop while waiting for the brokers
├── BrakeError                 most of the input is bad and the operator asked to stop in that case
├── ReplayError                a file of call records cannot be read or mapped
├── IdentityError              an Identity header or a certificate is not sound, or cannot be fetched
└── DeskError                  what an analyst asked for at the desk would not do what it says
"""

import difflib
from collections.abc import Iterable


class StreamerError(Exception):
    """Base of everything this package raises on purpose; its text says what, where and what to do."""


class SettingsError(StreamerError):
    """A setting is unknown, missing or out of range."""


class MessageError(StreamerError):
    """A record breaks the contract.

    `reason` is the short code that goes into the dead letter's `error.reason` header:
    ``too_large``, ``not_json``, ``missing_field``, ``wrong_type``, ``out_of_range``, ``unknown_type``,
    ``unknown_value`` (a slip, or the word of a newer version), ``misplaced``.
    """

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class StateError(StreamerError):
    """Exported state cannot be taken in."""


class ModelError(StreamerError):
    """A model snapshot is damaged, of another layout or older than the one in use."""


class BrokerError(StreamerError):
    """The local broker could not be installed, started or stopped."""


class TopicError(StreamerError):
    """Topics that exist differ from what the contract asks for."""


class DeliveryError(StreamerError):
    """The broker refused or lost a message that had to be delivered."""


class TransportError(StreamerError):
    """The consumer cannot go on."""


class StoppedError(StreamerError):
    """Asked to stop while waiting for the brokers."""


class BrakeError(StreamerError):
    """Most of the input is bad and the operator asked to stop in that case."""


class ReplayError(StreamerError):
    """A file of call records cannot be read or mapped."""


class IdentityError(StreamerError):
    """An Identity header or a certificate is not sound, or cannot be fetched."""


class DeskError(StreamerError):
    """What an analyst asked for (a list entry, a rule, a report, a replay) would not do what it says."""


def near(name: str, known: Iterable[str]) -> str:
    """What an error's text says of a name that there is not: the nearest one that there is; nothing where none is near.

    >>> near("busy_cals", ["busy_calls", "burst_s"])
    "; did you mean 'busy_calls'?"
    """
    found = difflib.get_close_matches(name, list(known), n=1)
    return f"; did you mean {found[0]!r}?" if found else ""
