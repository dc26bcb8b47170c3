"""Evidence packs: the same content is the same bytes, a change anywhere is noticed, and nothing in them is obeyed."""

import csv
import hashlib
import io
import shutil
import subprocess
import tracemalloc
import zipfile
import zlib

import msgspec
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.calls.codec import encode
from streamer.calls.decisions import Decision, Evidence, Finding
from streamer.desk import packs, timelines, verdicts
from streamer.desk.recalling import Recalled
from streamer.errors import DeskError
from streamer.kafka.logs import LogRecord
from tests.desk.test_filing import AT, DAY, case, lie

HOSTILE = "../../=cmd|' /C calc'!A0|`</td><script>\x1b[2J\u202e\n"


def found_calls(call_id="c1", **more):
    own = {"call_id": call_id, "at": AT - 5, "decided_at": AT, "operator": "op-a", "caller": "+77011234567", "callee": "+77272345678",
           "action": "block", "reasons": ["list.block"]}  # fmt: skip
    decision = Decision(**(own | more))
    finding = Finding(
        detector="robocall",
        cause="short_calls",
        observed=0.75,
        threshold=0.6,
        window_s=3_600,
        mode="enforce",
        action="block",
    )
    evidence = Evidence(decision=decision, caller_key=decision.caller, origin="own_line", trunk=None, partition=1, offset=9,
                        features={"attempts_1m": 3.0, "gap_1m": None}, findings=[finding])  # fmt: skip
    record = LogRecord("d", 1, 4, AT, call_id.encode(), encode(decision), (("source.partition", b"1"), ("source.offset", b"9")))  # fmt: skip
    return {call_id: Recalled(verdicts.judged(verdicts.told([record], call_id), [evidence]), [])}


def pack(**more):
    held = case(**more)
    (filed,) = lie(held, msgspec.structs.replace(held, status="closed", by="an", why="=1+1", changed_at=AT + DAY, revision=1), of=held.case).values()  # fmt: skip
    return packs.packed(filed, found_calls() | {"gone": Recalled([], [])})


def members(content):
    with zipfile.ZipFile(io.BytesIO(content)) as held:
        return {info.filename: held.read(info) for info in held.infolist()}


def test_a_pack_has_the_case_its_calls_with_reasons_and_features_and_a_time_line():
    held = members(pack())
    assert list(held) == [
        "README.md",
        "case.json",
        "history.jsonl",
        "calls.jsonl",
        "timeline.csv",
        "timeline.md",
        "SHA256SUMS",
    ]
    assert orjson.loads(held["case.json"])["status"] == "closed"
    assert [orjson.loads(line)["case"]["status"] for line in held["history.jsonl"].splitlines()] == ["open", "closed"]
    there, gone = map(orjson.loads, held["calls.jsonl"].splitlines())
    (((one,),), alone) = there["calls"], there["evidence_without_decision"]
    assert (one["decision"]["reasons"], one["standing"], alone) == (["list.block"], "effective", [])
    assert (one["evidence"]["features"], one["evidence"]["findings"][0]["observed"]) == (
        {"attempts_1m": 3.0, "gap_1m": None},
        0.75,
    )
    assert gone == {"call_id": "gone", "calls": [], "evidence_without_decision": []}
    heads, *rows = csv.reader(io.StringIO(held["timeline.csv"].decode("utf-8-sig")))
    told = [dict(zip(heads, row, strict=True)) for row in rows]
    assert [row["what"] for row in told] == [
        "block (effective)",
        "case open: watch, 60 calls, 58 victims",
        "case closed",
    ]
    assert (told[0]["caller"], told[0]["findings"]) == ("+77011234567", "robocall.short_calls 0.75 against 0.6")
    assert (told[2]["why"], told[2]["at_ms"]) == ("'=1+1", str(AT + DAY))
    assert "1 of" not in held["README.md"].decode() and "2 calls named in the case the logs still held 1" in held["README.md"].decode()  # fmt: skip


def test_the_same_content_is_the_same_bytes_and_its_digests_are_right():
    content = pack()
    assert content == pack()
    checked = packs.checked(content)
    assert (checked.flaws, checked.sha256) == ([], hashlib.sha256(content).hexdigest())
    sums = dict(line.split("  ")[::-1] for line in members(content)["SHA256SUMS"].decode().splitlines())
    assert sums == {name: hashlib.sha256(held).hexdigest() for name, held in members(content).items() if name != "SHA256SUMS"}  # fmt: skip


@pytest.mark.skipif(shutil.which("sha256sum") is None, reason="no sha256sum here")
def test_what_everybody_has_checks_a_pack(tmp_path):
    with zipfile.ZipFile(io.BytesIO(pack())) as held:
        held.extractall(tmp_path)
    done = subprocess.run(["sha256sum", "-c", "--strict", "SHA256SUMS"], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    (tmp_path / "calls.jsonl").write_text("{}\n")
    assert subprocess.run(["sha256sum", "-c", "SHA256SUMS"], cwd=tmp_path, capture_output=True).returncode == 1


def again(held):
    """A pack with other members, its manifest as it was."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as file:
        for name, content in held.items():
            file.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), content)
    return made.getvalue()


@pytest.mark.parametrize(
    "name", ["README.md", "case.json", "history.jsonl", "calls.jsonl", "timeline.csv", "timeline.md"]
)
def test_a_member_that_was_changed_taken_out_or_put_in_is_named(name):
    held = members(pack())
    assert packs.checked(again(held | {name: held[name] + b" "})).flaws == [f"{name} was changed"]
    assert packs.checked(again({kept: held[kept] for kept in held if kept != name})).flaws == [f"{name} is missing"]
    assert packs.checked(again(held | {"x" + name: b""})).flaws == [f"x{name} is not in SHA256SUMS"]


def test_whatever_else_is_done_to_the_file_is_noticed():
    content = pack()
    held = members(content)
    for altered in (b"#!/bin/sh\n" + content, content + b" ", again(held)):
        assert packs.checked(altered).flaws == ["the file has bytes beside its members, or they are not as they were written"]  # fmt: skip
    twice = io.BytesIO(content)
    with pytest.warns(UserWarning, match="Duplicate name"), zipfile.ZipFile(twice, "a") as file:
        file.writestr("case.json", b"{}")
    assert "case.json is there twice" in packs.checked(twice.getvalue()).flaws
    deflated = io.BytesIO()
    with zipfile.ZipFile(deflated, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("bomb", b"\0" * 10**7)
        file.writestr(zipfile.ZipInfo("SHA256SUMS"), held["SHA256SUMS"])
    assert packs.checked(deflated.getvalue()).flaws[0] == "bomb is compressed; members of a pack are not"


@given(data=st.data())
def test_no_byte_of_a_pack_can_be_changed_unnoticed(data):
    content = bytearray(PACK)
    at = data.draw(st.integers(0, len(content) - 1))
    content[at] ^= data.draw(st.integers(1, 255))
    try:
        assert packs.checked(bytes(content)).flaws
    except DeskError:
        pass


@pytest.mark.parametrize("content", [b"", b"PK", b"no zip", packs.zipped({})[:-3], packs.zipped({})])
def test_what_is_no_pack_is_refused(content):
    with pytest.raises(DeskError):
        packs.checked(content)


def entry(name, content=b"", at=0):
    """A stored member's header, and its line in the table of contents."""
    info = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
    info.CRC, info.compress_size, info.file_size = zlib.crc32(content), len(content), len(content)
    header = info.FileHeader()
    return header, b"PK\1\2" + bytes((20, 0)) + header[4:30] + bytes(10) + at.to_bytes(4, "little") + name.encode()


def zip_of(body, table, members):
    count = members.to_bytes(2, "little") * 2
    return body + table + b"PK\5\6\0\0\0\0" + count + len(table).to_bytes(4, "little") + len(body).to_bytes(4, "little") + b"\0\0"  # fmt: skip


def overlapping(members, kernel):
    """Each member's content is the headers and contents of all behind it, its digest right."""
    names = [*(f"m{n}" for n in range(members - 1)), "SHA256SUMS"]
    body, made = bytes(kernel), []
    for name in reversed(names):
        made.append((name, body))
        body = entry(name, body)[0] + body
    table = b"".join(entry(name, held, len(body) - len(held) - 30 - len(name))[1] for name, held in reversed(made))
    return zip_of(body, table, members)


def peak_of(content, words):
    tracemalloc.start()
    try:
        with pytest.raises(DeskError, match=words):
            packs.checked(content)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_members_that_overlap_are_not_read():
    content = overlapping(50, 200_000)
    with zipfile.ZipFile(io.BytesIO(content)) as file:
        assert file.read("SHA256SUMS") == bytes(200_000)
    words = "members overlap: 50 of them take 10,0.*ask whoever gave it to you for the pack as it was exported"
    assert peak_of(content, words) < 5 * len(content)


def test_a_table_of_contents_without_end_is_not_read():
    content = zip_of(b"", entry("m")[1] * 50_000, 50_000)
    assert peak_of(content, "more than 100 members") < 5 * len(content)


def test_what_callers_and_publishers_write_is_neither_a_path_nor_a_formula_nor_markup_nor_obeyed_by_a_terminal():
    held = case(subject=f"trunk/{HOSTILE}", evidence=[HOSTILE], operators=[HOSTILE[:60]])
    (filed,) = lie(held).values()
    written = members(packs.packed(filed, found_calls(HOSTILE, caller="=" + HOSTILE[:40], operator=HOSTILE[:60])))
    assert all(name.isascii() and "/" not in name and ".." not in name for name in written)
    assert packs.file_name(held.case).removesuffix(".zip").replace("_", "").replace(".", "").replace("-", "").isalnum()
    for name in ("README.md", "timeline.md", "timeline.csv", "case.json", "history.jsonl", "calls.jsonl"):
        text = written[name].decode("utf-8-sig")
        assert {sign for sign in text if not sign.isprintable()} <= {"\n", "\r"}
    rows = list(csv.reader(io.StringIO(written["timeline.csv"].decode("utf-8-sig"))))
    assert rows[1][5].startswith("'=")
    table = written["timeline.md"].decode().splitlines()
    assert {line.count("|") for line in table} == {len(timelines.HEADS) + 1}
    assert all("<script>" not in cell for line in table for cell in line.split("`")[::2])


@given(st.text(st.sampled_from("=+-@;,\"' 1a\t\n\uff1d"), max_size=12))
def test_no_cell_is_a_formula_however_the_line_is_split(text):
    cell = timelines.harmless(text)
    if cell.lstrip("+-").replace(".", "").isdigit():
        return
    for separator in ("\0", ";", ",", '"'):
        assert not any(part.lstrip(" ")[:1] in {*"=+-@\uff1d"} for part in cell.split(separator) if part.lstrip(" "))


PACK = pack()
