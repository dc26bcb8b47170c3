"""Cases on a real broker: what a book published is listed, closed and reopened by people, and exported with its calls."""

import hashlib
import os
import subprocess
import sys
import zipfile
from contextlib import suppress
from pathlib import Path

import msgspec
import orjson
import pytest

from streamer.calls import codec
from streamer.calls.cases import Case
from streamer.calls.decisions import Decision
from streamer.calls.partitioner import partition_of
from streamer.errors import MessageError
from streamer.kafka import logs, sending, topics
from streamer.kafka.sending import Outgoing, send
from streamer.signals.casebook import DAY_MS, Casebook
from streamer.signals.hot import Hot
from tests.stream.live import Calls, Worker, setup, wait_until

pytestmark = pytest.mark.broker

AT = 1_763_953_123_123
SIGNED = ("--by", "analyst-7", "--why", "case 1832, “проверка”")
CAMPAIGN = {"calls": 200, "bursts": 3, "burst": 190}
BOX = {"sims": 14, "calls": 118, "victims": 112, "incoming": 0}


class Signals:
    """What the signals process does with its book."""

    def __init__(self, settings):
        self.settings, self.book = settings, Casebook()
        self.topic = topics.Topics(settings).cases

    def begin(self):
        self.book = Casebook()
        for record in logs.read(self.settings, self.topic):
            with suppress(MessageError):
                self.book.restore(codec.decode_case(record.value))

    def heed(self, kind, subject, at=AT, values=BOX, calls=("c1",), operators=("op-a",)):
        said = self.book.heed(Hot(kind, subject, at, values, calls, operators))
        send(self.settings, [Outgoing(self.topic, case.case.encode(), codec.encode(case)) for case in said])
        return said


def test_cases_are_listed_shown_closed_and_reopened_and_a_book_that_begins_anew_doubles_nothing(kafka_settings, desk):
    signals = Signals(kafka_settings)
    (box,) = signals.heed("imei", "35")
    signals.heed("block", "+770112345", AT + DAY_MS, {"calls": 200, "burst": 150, "bursts": 2}, ["c7"], ["op-b"])
    send(kafka_settings, [Outgoing(signals.topic, b"x", b"{broken")])

    def listed(*asked):
        code, found, said = desk("cases", "list", *asked)
        assert code == 0, said
        return [one["subject"] for one in found]

    assert listed() == ["imei/35", "block/+770112345"]
    assert listed("--kind", "sim_box") == listed("--operator", "op-a") == ["imei/35"]
    assert (
        listed("--since", str(AT + 1))
        == listed("--kind", "number_rotation", "--status", "open")
        == ["block/+770112345"]
    )
    assert listed("--since", "1h") == listed("--status", "closed") == []
    code, (shown,), _ = desk("cases", "show", "imei")
    assert msgspec.convert(shown, Case) == box
    said = desk("cases", "show", box.case, text=True)[2]
    for text in (
        "sim_box, bar_sim, open",
        "118 calls, 112 victims",
        "sims            14        at least 5",
        "calls: c1",
        "open: bar_sim",
    ):
        assert text in said

    code, (closed,), _ = desk("cases", "close", "imei/35", *SIGNED)
    assert (code, closed["status"], closed["by"], closed["why"]) == (0, "closed", *SIGNED[1::2])
    code, _, said = desk("cases", "close", "imei/35", *SIGNED)
    assert (code, "is closed already by analyst-7" in said) == (1, True)
    signals.begin()
    assert signals.heed("imei", "35") == []
    (still,) = signals.heed("imei", "35", AT + DAY_MS)
    assert (still.case, still.status, still.by) == (box.case, "closed", "analyst-7")
    assert listed("--status", "closed") == ["imei/35"]

    assert desk("cases", "reopen", box.case, "--by", "analyst-8", "--why", "it moved")[0] == 0
    _, (shown,), _ = desk("cases", "show", box.case)
    assert (shown["status"], shown["by"]) == ("open", "analyst-8")
    assert [(one["what"], one["by"]) for one in shown["history"]] == [
        ("open: bar_sim, 118 calls, 112 victims", ""), ("closed", "analyst-7"), ("goes on", ""), ("open again", "analyst-8"),
    ]  # fmt: skip
    for wrong, says in (
        (("show", "sim/1"), "there is no case"),
        (("close", "imei/35", "--by", "a", "--why", "x" * 1_025), "at most 1024"),
        (("close", "imei/35", "--by", "a", "--why", " "), "--why says nothing"),
    ):
        code, _, said = desk("cases", *wrong, text=True)
        assert (code, says in said) == (1, True), said


def test_of_those_who_close_a_case_at_one_moment_one_does(kafka_settings, desk):
    Signals(kafka_settings).heed("imei", "35")
    env = os.environ | {"STREAMER_BOOTSTRAP": kafka_settings.bootstrap, "STREAMER_PREFIX": kafka_settings.prefix}
    command = [sys.executable, "-m", "streamer", "cases", "close", "imei/35", "--why", "barred", "--by"]
    together = [subprocess.Popen([*command, f"an-{n}"], env=env, stderr=subprocess.PIPE, text=True) for n in range(3)]
    ended = sorted((one.communicate(timeout=120)[1], one.returncode) for one in together)
    assert [code for _, code in ended] == [0, 1, 1], ended
    assert all("is closed already by an-" in said for said, code in ended if code)
    assert len(desk("cases", "show", "imei/35")[1][0]["history"]) == 2


def test_a_pack_has_what_a_worker_decided_on_the_calls_and_a_change_in_it_is_noticed(
    kafka_settings, desk, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    of_another = Decision(call_id="c-0", at=1, decided_at=2, operator="op-b", caller="1", callee="2", action="allow")
    decisions, partition = topics.Topics(kafka_settings).decisions, partition_of(b"+77030000000", 4)
    send(kafka_settings, [Outgoing(decisions, b"c-0", codec.encode(of_another), (), partition)] * 60)
    with Worker(kafka_settings) as worker:
        calls = Calls(kafka_settings)
        for number in range(3):
            calls.publish(setup(f"c-{number}", f"+7703000000{number}", callee=f"+7727234567{number}"))
        calls.publish(setup("c-1", "+77030000009", operator="op-b"))  # the same id, another operator's call
        calls.publish(setup("of-trunk", "+77030000008", trunk="../../etc"))
        calls.publish(setup("other", "+77030000008", operator="op-b", trunk="../../etc"))
        assert not calls.until({"c-0", "c-1", "c-2", "of-trunk", "other"}), worker.log
        wait_until(lambda: calls.rest() or len(calls.decided["c-0"]) == 61, tell=lambda: worker.log)
        assert worker.stop() == 0, worker.log
    now = calls.decided["c-2"][0][0]["at"]
    signals = Signals(kafka_settings)
    (case,) = signals.heed(
        "trunk", "op-a/../../etc", now + 60_000, CAMPAIGN | {"first_at": now - 600_000}, ["c-0", "c-1", "never"]
    )

    code, (told,), said = desk("cases", "export", "trunk/")
    assert (code, told["calls"], told["calls_found"], told["flaws"]) == (0, 4, 3, []), said
    (written,) = tmp_path.iterdir()
    assert written.name == told["file"] == case.case.replace("/", "_") + ".zip"
    assert hashlib.sha256(written.read_bytes()).hexdigest() == told["sha256"]
    with zipfile.ZipFile(written) as pack:
        assert msgspec.json.decode(pack.read("case.json"), type=Case) == case
        found = {one["call_id"]: one for one in map(orjson.loads, pack.read("calls.jsonl").splitlines())}
    assert {name: len(one["calls"]) for name, one in found.items()} == {"c-0": 1, "c-1": 1, "never": 0, "of-trunk": 1}
    (one,) = found["c-1"]["calls"][0]
    assert (one["decision"]["operator"], one["decision"]["action"], one["standing"]) == ("op-a", "block", "effective")
    assert one["evidence"]["features"]["attempts_1m"] is not None
    assert one["evidence"]["findings"][0]["detector"] == "number_invalid"

    code, _, said = desk("cases", "export", "trunk/")
    assert (code, "is there already" in said) == (1, True)
    assert desk("cases", "export", "trunk/", "--out", "again.zip")[1][0]["sha256"] == told["sha256"]
    code, (checked,), _ = desk("cases", "verify", "again.zip", "--sha256", told["sha256"].upper())
    assert (code, checked["flaws"], len(checked["members"])) == (0, [], 6)
    assert desk("cases", "verify", "again.zip", "--sha256", "00")[0] == 1
    altered = (tmp_path / "again.zip").read_bytes().replace(b"number_invalid", b"number_inva1id")
    (tmp_path / "again.zip").write_bytes(altered)
    code, _, said = desk("cases", "verify", "again.zip", text=True)
    assert (code, "again.zip: calls.jsonl was changed" in said) == (1, True)
    for file in ("nowhere.zip", "."):
        code, _, said = desk("cases", "verify", file, text=True)
        assert (code, "cannot be read" in said) == (1, True)
    (tmp_path / "notes.txt").write_text("no pack")
    code, _, said = desk("cases", "verify", "notes.txt", text=True)
    assert (code, "notes.txt: no ZIP file" in said) == (1, True)


def test_the_page_of_the_desk_names_every_transactional_id_that_it_takes(kafka_settings, desk, monkeypatch):
    taken, producer = set(), sending.producer

    def noted(settings, **own):
        taken.add(own.get("transactional.id"))
        return producer(settings, **own)

    monkeypatch.setattr(sending, "producer", noted)
    Signals(kafka_settings).heed("imei", "35")
    send(kafka_settings, [Outgoing(topics.Topics(kafka_settings).operators, b"op-a", b'{"operator":"op-a"}')])
    for command in (
        ("policy", "mode", "number_invalid", "all", "shadow"),
        ("policy", "mode", "all", "op-a", "off"),
        ("cases", "close", "imei"),
    ):
        code, _, said = desk(*command, *SIGNED)
        assert code == 0, said
    names = {name.removeprefix(kafka_settings.prefix) for name in taken - {None}}
    assert names == {f"{topic}.v1-desk" for topic in ("policy", "operators", "cases")}
    page = (Path(__file__).parents[2] / "docs/desk.md").read_text("utf-8")
    assert {name for name in names if f"`{name}`" not in page} == set()


def test_what_others_wrote_into_a_case_does_not_steer_the_terminal(kafka_settings, desk, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    steering = "\x1b]0;owned\x07\x1b[2J\u202e\n/../x"
    Signals(kafka_settings).heed("trunk", steering, AT, CAMPAIGN, [steering], [steering])
    for command in (("list",), ("show", "trunk"), ("close", "trunk", *SIGNED), ("export", "trunk")):
        said = desk("cases", *command, text=True)[2]
        assert "\\x1b[2J" in said or command[0] == "export"
        assert {sign for sign in said if not sign.isprintable()} <= {"\n"}
    assert len(list(tmp_path.iterdir())) == 1
