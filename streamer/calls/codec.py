"""Bytes to messages and back: the only validation there is.

Batches of calls are read by `streamer.calls.reading`, which takes what is plainly sound without a message for each and asks here about
all else.

`decode_call` and its kin raise `MessageError` with a short reason code and a text that says what and where;
they never raise anything else, whatever the bytes.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final, TypeVar

import msgspec
import orjson

from streamer.calls.cases import Case
from streamer.calls.decisions import Decision, Demotion, Evidence, ModelPointer, ModelSnapshot, Policy, PolicyPointer
from streamer.calls.events import (
    Answer,
    CallEvent,
    End,
    Feedback,
    ListEntry,
    Operator,
    OperatorInfo,
    Setup,
    SubscriberFact,
    TrunkInfo,
)
from streamer.calls.signals import Counted, Signal
from streamer.errors import MessageError

MAX_BYTES: Final = 65_536
"""Largest record taken in, in bytes."""

T = TypeVar("T")


def _reason(text: str) -> str:
    if text.startswith("Invalid enum value"):  # the text has the value in it, which may be of any words
        return "unknown_value"
    if "missing required field" in text:
        return "missing_field"
    if "Invalid value" in text:
        return "unknown_type" if "$.type" in text else "out_of_range"
    if "Expected" in text:
        return "out_of_range" if re.search(r"(length|matching regex|<=|>=|< |> )", text) else "wrong_type"
    return "not_json"


def refuse(value: bytes | None, error: Exception) -> MessageError:
    """The `MessageError` for a value that msgspec refused with `error`."""
    if value is None:
        return MessageError("not_json", "the record has no value; a tombstone has no meaning here")
    text = str(error)
    if isinstance(error, msgspec.ValidationError):
        return MessageError(_reason(text), text)
    if isinstance(error, RecursionError):
        return MessageError("not_json", "the JSON is nested too deeply")
    return MessageError("not_json", f"not valid JSON in UTF-8: {text}")


def _decoder(kind: type[T]) -> Callable[[bytes | None], T]:
    decode = msgspec.json.Decoder(kind).decode

    def decode_or_refuse(value: bytes | None) -> T:
        if value is None or len(value) > MAX_BYTES:
            if value is None:
                raise refuse(None, ValueError())
            raise MessageError("too_large", f"{len(value)} bytes; at most {MAX_BYTES} are taken")
        try:
            return decode(value)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, ValueError, OverflowError) as error:
            raise refuse(value, error) from None

    return decode_or_refuse


_CALL: Any = Setup | Answer | End
_COUNT: Any = Counted
_decode_call: Callable[[bytes | None], CallEvent] = _decoder(_CALL)
decode_fact = _decoder(SubscriberFact)
decode_operator = _decoder(OperatorInfo)
decode_trunk = _decoder(TrunkInfo)
decode_list_entry = _decoder(ListEntry)
decode_feedback = _decoder(Feedback)
decode_decision = _decoder(Decision)
decode_evidence = _decoder(Evidence)
decode_case = _decoder(Case)
decode_policy = _decoder(Policy)
decode_policy_pointer = _decoder(PolicyPointer)
decode_demotion = _decoder(Demotion)
decode_model = _decoder(ModelSnapshot)
decode_model_pointer = _decoder(ModelPointer)
decode_signal = _decoder(Signal)
_decode_counts: Callable[[bytes | None], Counted] = _decoder(_COUNT)


def decode_call(value: bytes | None) -> CallEvent:
    """One record of `calls.v1`.

    >>> decode_call(b'{"type":"answer"}')
    Traceback (most recent call last):
    streamer.errors.MessageError: Object missing required field `call_id`
    """
    return _decode_call(value)


def decode_counts(value: bytes | None) -> Counted:
    """One record of `counts.v1`."""
    return _decode_counts(value)


def encode(message: msgspec.Struct) -> bytes:
    """Any message of the contract as JSON in UTF-8."""
    return orjson.dumps(msgspec.to_builtins(message))


class _Named(msgspec.Struct):
    operator: Operator


_named = msgspec.json.Decoder(_Named).decode


def operator_of(value: bytes | None) -> str | None:
    """Who published a record of any size, as far as it can still be read; None where no operator can be called so.

    >>> operator_of(b'{"operator":"op-a"}'), operator_of(b'{"operator":"%b"}' % (b"x" * 65)), operator_of(b"{broken")
    ('op-a', None, None)
    """
    try:
        return None if value is None else _named(value).operator
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, ValueError, OverflowError):
        return None


def rescue(value: bytes | None) -> dict[str, object] | None:
    """What a broken set-up still tells: a dict with `call_id`, `caller` and what else is sound, or None.

    Only a JSON object of type `setup` (or without a type) with a call id and a caller counts; the caller may be empty, or of any length.
    """
    if value is None or len(value) > MAX_BYTES:
        return None
    try:
        found = orjson.loads(value)
    except orjson.JSONDecodeError:
        return None
    if not isinstance(found, dict) or found.get("type", "setup") != "setup":
        return None
    call_id, caller = found.get("call_id"), found.get("caller")
    if not (isinstance(call_id, str) and 1 <= len(call_id) <= 255 and isinstance(caller, str)):
        return None
    return found
