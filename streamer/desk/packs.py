"""Evidence packs: a case, its calls and its time line in one ZIP file, with a SHA-256 digest of every member.

The same content gives the same bytes (members stored in one order, without times), so that packs can be compared by
one digest, and a pack that was altered anywhere is known. Names of members are ours alone.
"""

from __future__ import annotations

import hashlib
import io
import re
import zipfile
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import msgspec
import orjson

from streamer.desk import timelines, verdicts
from streamer.desk.filing import Filed, size
from streamer.desk.recalling import Recalled
from streamer.desk.record import plain_json, time_text
from streamer.errors import DeskError

SUMS: Final = "SHA256SUMS"
"""The manifest: a line a member, digest, two blanks, name; `sha256sum -c` reads it."""
LARGEST: Final = 256 * 1024 * 1024
"""Bytes of the largest pack that is looked at."""
_MOST_MEMBERS: Final = 100
_ENTRY: Final = b"PK\1\2"
"""Begins a member's line in a ZIP file's table of contents; nothing that a pack holds has control characters."""
_MEMBERS: Final = {
    "README.md": "this page",
    "case.json": "the case as it stands: subject, measure, figures with their bounds, ids of calls",
    "history.jsonl": "every record of the case in the log, a line each, with its place there",
    "calls.jsonl": "a line for each call id: every decision, which of them stands (the first, or a `block` in time that revises "
    "an `allow` or a `label`), findings with observed value, threshold "
    "and window, and every feature; empty where the logs no longer hold the call",
    "timeline.csv": "what happened, in order, for spreadsheet programs",
    "timeline.md": "the same, to be read",
}


class Checked(NamedTuple):
    """What a pack was found to be: the digest of the whole file, its members, and what is wrong."""

    sha256: str
    members: list[str]
    flaws: list[str]


def packed(filed: Filed, calls: Mapping[str, Recalled]) -> bytes:
    """The evidence pack of a case."""
    found = timelines.rows(filed, calls)
    members = {
        "README.md": _page(filed, calls).encode(),
        "case.json": _json(msgspec.to_builtins(filed.case), orjson.OPT_INDENT_2),
        "history.jsonl": _lines(
            {"partition": at.partition, "offset": at.offset, "appended_at": at.at_ms, "case": msgspec.to_builtins(case)}
            for at, case in filed.records
        ),
        "calls.jsonl": _lines(_call(call_id, recalled) for call_id, recalled in calls.items()),
        "timeline.csv": timelines.as_csv(found),
        "timeline.md": timelines.as_markdown(found).encode(),
    }
    return zipped(members)


def zipped(members: Mapping[str, bytes]) -> bytes:
    """A ZIP file of these members and their digests, the same bytes whenever and wherever it is made."""
    sums = "".join(f"{hashlib.sha256(content).hexdigest()}  {name}\n" for name, content in members.items())
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_STORED) as pack:
        for name, content in (*members.items(), (SUMS, sums.encode())):
            info = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            info.create_system, info.external_attr = 3, 0o644 << 16
            pack.writestr(info, content)
    return held.getvalue()


def checked(content: bytes) -> Checked:
    """Whether a file is a pack whose every byte is as it was written. Raises `DeskError` when it is no pack at all.

    Whoever alters a member can write its digest anew: only the digest of the whole file, known from elsewhere, tells that.
    """
    members, flaws = _members(content)
    sums = _sums(members.pop(SUMS))
    for name, found in members.items():
        if name not in sums:
            flaws.append(f"{name} is not in {SUMS}")
        elif hashlib.sha256(found).hexdigest() != sums[name]:
            flaws.append(f"{name} was changed")
    flaws += [f"{name} is missing" for name in sums if name not in members]
    if not flaws and zipped(members) != content:
        flaws.append("the file has bytes beside its members, or they are not as they were written")
    return Checked(hashlib.sha256(content).hexdigest(), list(members), flaws)


def _members(content: bytes) -> tuple[dict[str, bytes], list[str]]:
    if len(content) > LARGEST:
        raise DeskError(f"{len(content):,} bytes are no evidence pack; at most {LARGEST:,} are looked at")
    if content.count(_ENTRY) > _MOST_MEMBERS:
        raise DeskError(f"no evidence pack: more than {_MOST_MEMBERS} members")
    found: dict[str, bytes] = {}
    flaws = []
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as pack:
            infos = pack.infolist()
            if SUMS not in pack.namelist():
                raise DeskError(f"no evidence pack: {len(infos)} members, and {SUMS} has to be one of them")
            _look_for_overlaps(infos, len(content))
            for info in infos:
                if info.compress_type != zipfile.ZIP_STORED:
                    flaws.append(f"{info.filename} is compressed; members of a pack are not")
                elif info.filename in found:
                    flaws.append(f"{info.filename} is there twice")
                else:
                    found[info.filename] = _content(pack, info)
    except (zipfile.BadZipFile, NotImplementedError, ValueError, OSError) as error:
        raise DeskError(f"no ZIP file, or a damaged one: {error}") from None
    return {SUMS: b""} | found, flaws


def _look_for_overlaps(infos: list[zipfile.ZipInfo], length: int) -> None:
    """Raises `DeskError` when members are longer together than the file: read one by one they could fill any memory."""
    together = sum(info.compress_size for info in infos)
    if together > length:
        raise DeskError(
            f"members overlap: {len(infos)} of them take {together:,} bytes of a file of {length:,}; no pack is written so, "
            "ask whoever gave it to you for the pack as it was exported"
        )


def _content(pack: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
    """What a member holds; nothing where it cannot be read, which no digest is of."""
    try:
        return pack.read(info)
    except (zipfile.BadZipFile, RuntimeError, EOFError):
        return b""


def _sums(manifest: bytes) -> dict[str, str]:
    lines = manifest.decode("utf-8", "replace").splitlines()
    found = {line[66:]: line[:64] for line in lines if re.fullmatch(r"[0-9a-f]{64}  .+", line)}
    if not found or len(found) != len(lines):
        raise DeskError(f"{SUMS} is not a list of digests and names")
    return found


def file_name(case: str) -> str:
    """A name for the pack of a case, whatever is in its id: no path, nothing hidden.

    >>> file_name("trunk/../../etc/passwd/2025-11-24")
    'trunk_.._.._etc_passwd_2025-11-24.zip'
    """
    return re.sub(r"[^A-Za-z0-9._-]", "_", case)[:120].lstrip(".-") + ".zip"


def _lines(objects: Any) -> bytes:
    return b"".join(map(_json, objects))


def _json(found: Any, layout: int = 0) -> bytes:
    return plain_json(orjson.dumps(found, option=layout | orjson.OPT_APPEND_NEWLINE).decode()).encode()


def _call(call_id: str, recalled: Recalled) -> dict[str, Any]:
    calls = [verdicts.as_json(call) for call in recalled.calls]
    alone = [msgspec.to_builtins(one) for one in recalled.alone]
    return {"call_id": call_id, "calls": calls, "evidence_without_decision": alone}


def _page(filed: Filed, calls: Mapping[str, Recalled]) -> str:
    case, code = filed.case, timelines.code
    there = sum(bool(recalled.calls or recalled.alone) for recalled in calls.values())
    grounds = "".join(
        f"| {code(one.what)} | {one.observed:g} | {bounds(one.least, one.most)} |\n" for one in case.grounds
    )
    called = f"It called {', '.join(map(code, case.called))}.\n" if case.called else ""
    lines = f"Lines that share it: {', '.join(map(code, case.lines))}.\n" if case.lines else ""
    members = "".join(f"| `{name}` | {what} |\n" for name, what in _MEMBERS.items())
    return f"""# Evidence in the case {code(case.case)}

{case.kind}, proposed measure {case.measure}, {case.status}. Subject {code(case.subject)}; seen by {", ".join(map(code, case.operators)) or "nobody named"};
{size(case)}; opened {time_text(case.opened_at)}, last seen {time_text(case.heard_at)}.
Bounds are those of version {code(case.policy or "-")} of the policy.
{called}{lines}
| figure | observed | bound |
| --- | --- | --- |
{grounds}
Of {len(calls)} calls named in the case the logs still held {there} when this was written.

| file | what it is |
| --- | --- |
{members}| `{SUMS}` | SHA-256 digests of all other files |

Times are UTC; `at` and `at_ms` are milliseconds since 1970-01-01. Event times are those of the calls, as the operators
reported them. In `timeline.csv` what a spreadsheet program could take for a formula has an apostrophe before it; import
columns of numbers as text, or the program drops their `+`.

`sha256sum -c {SUMS}` checks the files, `streamer cases verify PACK.zip` the pack. Who may alter a file may alter its
digest too: compare the digest of the whole pack with the one that was given to you by another way.
"""


def bounds(least: float | None, most: float | None) -> str:
    """The bounds of a figure in words.

    >>> bounds(5.0, None), bounds(None, 0.05)
    ('at least 5', 'at most 0.05')
    """
    said = ((name, bound) for name, bound in (("at least", least), ("at most", most)) if bound is not None)
    return ", ".join(f"{name} {bound:g}" for name, bound in said)
