"""One record of `calls.v1` by itself: every field that is wrong, and why, in the words of whoever has to mend it.

Whether a record is taken in is said by `streamer.calls.codec` alone; this module finds all that is wrong where that stops
at the first.
"""

from __future__ import annotations

import difflib
from datetime import UTC, datetime
from typing import Any, Final

import msgspec
import orjson

from streamer.calls.codec import MAX_BYTES, decode_call, refuse
from streamer.calls.events import LATEST_MS, Answer, CallEvent, End, Setup
from streamer.calls.numbers import HomePlan, is_withheld, normalise, plain_id
from streamer.doctor.findings import Flaw
from streamer.errors import MessageError

BOM: Final = b"\xef\xbb\xbf"
"""UTF-8's byte order mark, which some editors put before the first line."""

EARLIEST_MS: Final = 946_684_800_000
"""The beginning of the year 2000: a time before it is one of another unit."""

_KINDS: Final[dict[str, Any]] = {"setup": Setup, "answer": Answer, "end": End}
_FIELDS: Final = {name: {field.name: field for field in msgspec.structs.fields(kind)} for name, kind in _KINDS.items()}
_DECODERS: Final = {
    name: {field: msgspec.json.Decoder(info.type) for field, info in fields.items()} for name, fields in _FIELDS.items()
}
_KNOWN: Final = {"type", *(field for fields in _FIELDS.values() for field in fields)}
_RAW: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
_SHOWN: Final = 60
_ENCODING: Final = "encode as UTF-8, not in a code page"

_MENDS: Final = {
    "type": "one of setup, answer, end",
    "call_id": "the call's id at the operator, a string of 1 to 255 characters, the same in its set-up, answer and end",
    "at": "whole milliseconds since 1970-01-01 UTC, a number such as 1763953123123",
    "operator": "who reports, the same name as on operators.v1, 1 to 64 characters",
    "caller": 'the calling number as it came, a string of any length; "" when there is none',
    "callee": "the called number as it came, a string that is not empty",
    "ingress": "subscriber (an own line calls), national or international (it came over an interconnect)",
    "attestation": "A, B or C, or leave it out",
    "ring_ms": "whole milliseconds of ringing, at most 31 days, or leave it out",
    "talk_ms": "whole milliseconds of talk, at most 31 days; 0 when it was not answered",
    "cause": "the Q.850 cause, 0 to 127, or leave it out",
    "released_by": "caller, callee or network, or leave it out",
    "cached": "true or false, or leave it out",
}


def judge(value: bytes) -> tuple[CallEvent | None, list[Flaw]]:
    """The event, or None when a worker would refuse the record, and every flaw of its fields.

    >>> judge(b'{"type":"answer","call_id":"c","at":"now","operator":"o","caller":"","callee":"112"}')[1][0].text
    'at: Expected `int`, got `str`'
    """
    try:
        event = decode_call(value)
    except MessageError as error:
        return None, _why(value, error)
    return event, [*_of_time(event), *_of_names(value, event)]


def of_numbers(event: CallEvent, plan: HomePlan) -> list[Flaw]:
    """Numbers that can be read as none: such a caller is a line of its own by its very spelling.

    A malformed calling number is evidence and must be passed on; a called number is the operator's own and should be sound.
    """
    flaws = []
    if not is_withheld(event.caller) and plain_id(normalise(event.caller, plan)) is None:
        flaws.append(
            Flaw(
                "caller",
                "unnormalised",
                f"caller: {_short(event.caller)} cannot be read as a number",
                "right if the signalling said so; else send +<country><number> or what a SIP URI has",
                grave=False,
            )
        )
    if plain_id(normalise(event.callee, plan)) is None:
        flaws.append(
            Flaw(
                "callee",
                "unnormalised",
                f"callee: {_short(event.callee)} cannot be read as a number",
                "send +<country><number>, the national form or the short number, without prefixes of your own switch",
                grave=False,
            )
        )
    return flaws


def _why(value: bytes, error: MessageError) -> list[Flaw]:
    if error.reason == "too_large":
        return [
            Flaw("", error.reason, str(error), "leave out what is large; `identity` is one header, no body belongs in")
        ]
    try:
        fields = _RAW.decode(value)
    except (msgspec.DecodeError, ValueError, RecursionError):
        return [_no_object(value, error)]
    flaws = _of_fields({name: bytes(raw) for name, raw in fields.items()})
    return flaws or [Flaw("", error.reason, str(error))]


def _no_object(value: bytes, error: MessageError) -> Flaw:
    text = str(error)
    mend = "one JSON object in UTF-8 a record"
    if value.startswith(BOM):
        text, mend = "it begins with a byte order mark", "write UTF-8 without BOM"
    elif value[:2] in {b"\xff\xfe", b"\xfe\xff"} or b"\0" in value[:4]:
        text, mend = "it is UTF-16 or binary, not UTF-8", "write UTF-8"
    elif value.lstrip()[:1] == b"[":
        mend = "one object a record, not an array: `jq -c '.[]'` takes it apart"
    elif value.lstrip()[:2] == b"{'":
        mend = "JSON has double quotes: use a JSON encoder, not the language's own printing"
    elif b"}{" in value or b"}\r{" in value:
        mend = "one object a record, one record a line"
    elif not _is_utf8(value):
        text, mend = "it is not UTF-8", _ENCODING
    elif value.lstrip()[:1] == b"{" and value.rstrip()[-1:] != b"}":
        text, mend = "the object is cut off", "a record is one whole object on one line"
    return Flaw("", error.reason, text, mend)


def _of_fields(raws: dict[str, bytes]) -> list[Flaw]:
    flaws = []
    kind = _kind(raws)
    if kind not in _FIELDS:
        flaws.append(_of_type(raws, kind))
    for name, field in _FIELDS.get(kind, _FIELDS["answer"]).items():
        raw = raws.get(name)
        if raw is None:
            if field.required:
                flaws.append(_missing(name, raws))
            continue
        try:
            _DECODERS.get(kind, _DECODERS["answer"])[name].decode(raw)
        except (msgspec.DecodeError, ValueError, RecursionError) as error:
            if not _is_utf8(raw):
                flaws.append(Flaw(name, "not_json", f"{name}: not UTF-8", _ENCODING))
                continue
            refused = refuse(raw, error)
            flaws.append(Flaw(name, refused.reason, f"{name}: {refused}", _mend(name, raw)))
    return flaws


def _kind(raws: dict[str, bytes]) -> str:
    try:
        kind = orjson.loads(raws.get("type", b"null"))
    except orjson.JSONDecodeError:
        return ""
    return kind if isinstance(kind, str) else ""


def _of_type(raws: dict[str, bytes], kind: str) -> Flaw:
    if "type" not in raws:
        return _missing("type", raws)
    near = difflib.get_close_matches(kind.lower(), _KINDS, n=1)
    mend = _MENDS["type"] + (f"; did you mean {near[0]}?" if near else "")
    return Flaw("type", "unknown_type", f"type: {_short(kind or raws['type'])} is none", mend)


def _missing(name: str, raws: dict[str, bytes]) -> Flaw:
    like = next((given for given in raws if given not in _KNOWN and meant(given) == name), None)
    mend = f"rename {_short(like)}" if like else _MENDS.get(name, "")
    return Flaw(name, "missing_field", f"{name} is missing", mend)


def _mend(name: str, raw: bytes) -> str:
    mend = _MENDS.get(name, "a string, or leave it out")
    try:
        value = orjson.loads(raw)
    except orjson.JSONDecodeError:
        return mend
    if name == "at" and isinstance(value, str):
        try:
            moment = datetime.fromisoformat(value)
            at_ms = int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000)
        except (ValueError, OverflowError):
            return mend
        return f"{mend}; {_short(value)} is {at_ms}"
    if name == "at" and isinstance(value, int) and value > LATEST_MS:
        return f"{mend}; this looks like micro- or nanoseconds"
    if name == "at" and isinstance(value, float) and value < EARLIEST_MS:
        return f"{mend}; this looks like seconds"
    if isinstance(value, (int, float)) and name not in {"at", "ring_ms", "talk_ms", "cause", "cached"}:
        return f"{mend}; in quotes"
    return mend


def _of_time(event: CallEvent) -> list[Flaw]:
    if event.at >= EARLIEST_MS:
        return []
    seconds = EARLIEST_MS <= 1000 * event.at <= LATEST_MS
    mend = "multiply by 1,000: milliseconds, not seconds" if seconds else _MENDS["at"]
    return [Flaw("at", "out_of_range", f"at: {event.at} is a moment before the year 2000", mend)]


def _of_names(value: bytes, event: CallEvent) -> list[Flaw]:
    """Fields that are ignored although they are probably meant, and fields of another type of event."""
    fields = _FIELDS[str(event.__struct_config__.tag)]
    names = msgspec.json.decode(value.decode("utf-8", "replace"), type=dict[str, msgspec.Raw])
    flaws = []
    for name in names.keys() - fields.keys() - {"type"}:
        near = meant(name)
        if name in _KNOWN:
            why, mend = (
                f"not a field of {event.__struct_config__.tag}",
                "leave it out, or send it with the type it belongs to",
            )
        elif near in fields and near not in names:
            why, mend = "an unknown field", f"did you mean {near}?"
        else:
            continue
        flaws.append(Flaw(_short(name), "ignored_field", f"{_short(name)} is ignored: {why}", mend, grave=False))
    return sorted(flaws)


def meant(name: str) -> str:
    """The contract's field that an unknown name probably means, "" if none.

    >>> meant("callId"), meant("caller_number"), meant("x_vendor")
    ('call_id', '', '')
    """
    plain = name.replace("_", "").replace("-", "").lower()
    for known in _KNOWN:
        if plain == known.replace("_", ""):
            return known
    near = difflib.get_close_matches(name.lower()[:_SHOWN], sorted(_KNOWN), n=1, cutoff=0.85)
    return near[0] if near else ""


def _is_utf8(value: bytes) -> bool:
    try:
        value.decode()
    except UnicodeDecodeError:
        return False
    return True


def _short(text: str | bytes) -> str:
    shown = text.decode("utf-8", "backslashreplace") if isinstance(text, bytes) else text
    return repr(shown if len(shown) <= _SHOWN else shown[:_SHOWN] + "…")


def oversize(length: int) -> Flaw:
    """The flaw of a line too long to be read whole."""
    return Flaw(
        "",
        "too_large",
        f"a line of more than {length:,} bytes; a record has at most {MAX_BYTES:,}",
        "one object a line",
    )
