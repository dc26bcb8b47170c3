"""The analyst's desk on a real broker, with a real worker: what is entered is in force, and what was decided is explained."""

import os
import re
import subprocess
import sys
import time

import orjson
import pytest

from streamer import commands
from streamer.calls.codec import encode
from streamer.calls.decisions import Decision, Evidence, Finding
from streamer.calls.events import ListEntry
from streamer.calls.partitioner import partition_of
from streamer.kafka import logs, topics
from streamer.kafka.dead_letters import buried
from streamer.kafka.sending import Outgoing, send
from tests.stream.live import Calls, Worker, get, read, setup, wait_until

pytestmark = pytest.mark.broker

SIGNED = ("--by", "analyst-7", "--why", "case 1832, “проверка”")


class Judged:
    """Calls of one line after another, each a new call; gives the decision."""

    def __init__(self, settings, worker):
        self.calls, self.worker, self.number = Calls(settings), worker, 0

    def __call__(self, caller, **more):
        self.number += 1
        call_id = f"call-{self.number}"
        self.calls.publish(setup(call_id, caller, **more))
        assert not self.calls.until({call_id}), self.worker.log
        return self.calls.decided[call_id][0][0]

    def becomes(self, caller, action):
        """The decision once a change has reached the worker."""
        found = []

        def happened():
            found.append(self(caller))
            return found[-1]["action"] == action

        wait_until(happened, tell=lambda: found[-1])
        return found[-1]


def shows(worker, line):
    """Wait until a worker's metrics have this line."""
    port = re.search(r"metrics on http://[^:]+:(\d+)", worker.log).group(1)
    wait_until(lambda: line in get(port, "/metrics")[1].decode().splitlines())


def test_what_is_entered_blocks_and_what_is_removed_is_let_through_and_why_explains_it(kafka_settings, desk):
    caller = "+77010000007"
    with Worker(kafka_settings) as worker:
        judge = Judged(kafka_settings, worker)
        assert judge(caller)["action"] == "allow"
        code, (added,), _ = desk("lists", "add", "block", "8 701 000 00 07", *SIGNED)
        assert (code, added["number"], added["key"]) == (0, caller, f"block/exact/caller//{caller}")
        blocked = judge.becomes(caller, "block")
        assert blocked["reasons"] == ["list.block"]

        code, (told,), _ = desk("why", blocked["call_id"], "--caller", "8 701 000 00 07")
        ((one,),) = told["calls"]
        assert (code, one["standing"], one["decision"]) == (0, "effective", blocked)
        assert one["evidence"]["lists"] == ["caller.block"]
        assert one["evidence"]["decision"] == blocked
        code, _, said = desk("why", blocked["call_id"], text=True)
        assert code == 0
        for text in ("action block, reasons list.block", "lists: caller.block", "effective: decision", "feature"):
            assert text in said
        code, told, said = desk("why", "never-was", text=True)
        assert (code, "nothing of never-was is in retention" in said) == (1, True)

        code, shown, _ = desk("lists", "show", "--number", "77010000007")
        assert [(found["by"], found["number"], found["expired"]) for found in shown] == [("analyst-7", caller, False)]
        code, gone, _ = desk("lists", "remove", "block", "0077010000007", *SIGNED)
        assert (code, [found["key"] for found in gone]) == (0, [added["key"]])
        assert judge.becomes(caller, "allow")["reasons"] == []
        assert desk("lists", "show")[1] == []
        _, past, _ = desk("lists", "history", "--number", caller)
        assert [(one["done"], one["by"], one["why"]) for one in past] == [(done, SIGNED[1], SIGNED[3]) for done in ("added", "removed")]  # fmt: skip
        code, _, said = desk("lists", "remove", "block", caller, *SIGNED)
        assert (code, "has no such entry" in said) == (1, True)
        assert worker.stop() == 0, worker.log


def test_findings_of_a_block_by_a_detector_are_shown_with_threshold_and_window(kafka_settings, desk):
    with Worker(kafka_settings) as worker:
        judge = Judged(kafka_settings, worker)
        blocked = judge("+77030000001")
        assert blocked["action"] == "block"
        _, (told,), _ = desk("why", blocked["call_id"])
        (finding,) = told["calls"][0][0]["evidence"]["findings"]
        assert f"{finding['detector']}.{finding['cause']}" == blocked["reasons"][0] == "number_invalid.not_in_plan"
        assert "number_invalid.not_in_plan" in desk("why", blocked["call_id"], text=True)[2]

        assert desk("policy", "mode", "number_invalid", "all", "shadow", *SIGNED)[0] == 0
        assert judge.becomes("+77030000001", "allow")["shadow_action"] == "block"
        assert worker.stop() == 0, worker.log


def test_the_kill_switch_is_in_force_on_a_running_worker_and_off_again(kafka_settings, desk):
    caller = "+77010000007"
    with Worker(kafka_settings) as worker:
        judge = Judged(kafka_settings, worker)
        desk("lists", "add", "block", caller, *SIGNED)
        judge.becomes(caller, "block")
        code, (state,), _ = desk("kill-switch", "on", *SIGNED)
        assert (code, state["kill_switch"], state["changed"], state["by"]) == (0, True, True, "analyst-7")
        let_through = judge.becomes(caller, "allow")
        assert (let_through["shadow_action"], let_through["policy"]) == ("block", state["version"])
        assert desk("kill-switch", "on", *SIGNED)[1][0]["changed"] is False
        assert desk("kill-switch", "status")[1][0]["kill_switch"] is True
        shows(worker, "streamer_kill_switch 1.0")
        # Another change leaves it on, and who turned it on is still told.
        assert desk("policy", "set", "model.threshold=0.97", "--by", "analyst-8", "--why", "bound")[0] == 0
        for again in (desk("kill-switch", "status")[1][0], desk("kill-switch", "on", *SIGNED)[1][0]):
            assert (again["kill_switch"], again["by"], again["since"]) == (True, "analyst-7", state["version"])
        assert "analyst-7: case 1832" in desk("kill-switch", "status", text=True)[2]
        assert desk("kill-switch", "off", *SIGNED)[1][0]["kill_switch"] is False
        assert judge.becomes(caller, "block")["reasons"] == ["list.block"]
        assert worker.stop() == 0, worker.log


def test_the_kill_switch_of_one_operator_is_in_force_for_him_alone_and_leaves_the_rest_of_his_record(
    kafka_settings, desk
):
    caller = "+77010000007"
    operators = topics.Topics(kafka_settings).operators
    record = b'{"operator":"op-a","deadline_ms":60000,"newer":[1]}'
    with Worker(kafka_settings) as worker:
        judge = Judged(kafka_settings, worker)
        desk("lists", "add", "block", caller, *SIGNED)
        judge.becomes(caller, "block")
        code, _, said = desk("kill-switch", "on", "--operator", "op-a", *SIGNED)
        assert (code, "--register" in said) == (1, True)
        send(kafka_settings, [Outgoing(operators, b"op-a", record)])
        code, _, said = desk("kill-switch", "on", "--operator", "op-aa", *SIGNED)
        assert (code, "did you mean 'op-a'" in said) == (1, True)

        code, (state,), _ = desk("kill-switch", "on", "--operator", "op-a", *SIGNED)
        assert (code, state["mode"], state["mode_before"], state["changed"]) == (0, "shadow", "enforce", True)
        assert judge.becomes(caller, "allow")["shadow_action"] == "block"
        assert judge(caller, operator="op-b")["action"] == "block"
        shows(worker, 'streamer_operators_held_back{mode="shadow"} 1.0')
        (shown,) = desk("kill-switch", "status")[1][0]["operators"]
        assert (shown["operator"], shown["by"], shown["why"], shown["kill_switch"]) == ("op-a", *SIGNED[1::2], True)
        assert desk("kill-switch", "on", "--operator", "op-a", *SIGNED)[1][0]["changed"] is False
        assert desk("kill-switch", "off", "--operator", "op-a", *SIGNED)[1][0]["mode"] == "enforce"
        assert judge.becomes(caller, "block")["reasons"] == ["list.block"]
        last = list(logs.read(kafka_settings, operators))[-1]
        assert orjson.loads(last.value) == orjson.loads(record) | {"mode": "enforce"}

        assert desk("policy", "mode", "all", "op-a", "off", *SIGNED)[1][0]["mode"] == "off"
        assert judge.becomes(caller, "allow")["shadow_action"] == "allow"
        code, _, said = desk("kill-switch", "off", "--operator", "op-a", *SIGNED)
        assert (code, "by his own record" in said) == (1, True)
        assert worker.stop() == 0, worker.log


def test_the_kill_switch_stays_as_it_is_when_another_policy_is_put_in_force(kafka_settings, desk, tmp_path):
    _, (first,), _ = desk("policy", "set", "model.threshold=0.97", *SIGNED)
    desk("policy", "set", "model.threshold=0.98", *SIGNED)
    _, (on,), _ = desk("kill-switch", "on", *SIGNED)
    whole = tmp_path / "policy.json"
    whole.write_text('{"model":{"threshold":0.99}}')
    for given, threshold in ((("--from", first["policy"]["version"]), 0.97), (("--file", str(whole)), 0.99)):
        code, (made,), said = desk("policy", "set", *given, *SIGNED)
        assert (code, made["policy"]["kill_switch"], made["policy"]["model"]["threshold"]) == (0, True, threshold)
        assert f"the kill switch stays ON, whatever {given[1]} has" in said
    _, (made,), said = desk("policy", "set", "--from", first["policy"]["version"], "kill_switch=false", *SIGNED)
    assert (made["policy"]["kill_switch"], "stays" in said) == (False, False)
    _, (made,), said = desk("policy", "set", "--from", on["version"], *SIGNED)
    assert (made["policy"]["kill_switch"], "the kill switch stays off" in said) == (False, True)


def test_policies_changed_at_one_moment_are_all_in_force(kafka_settings, desk):
    changes = ("model.threshold=0.97", "kill_switch=true", "evidence_sample=0.5", "governor.min_lines=77")
    env = os.environ | {"STREAMER_BOOTSTRAP": kafka_settings.bootstrap, "STREAMER_PREFIX": kafka_settings.prefix}
    command = [sys.executable, "-m", "streamer", "policy", "set"]
    together = [subprocess.Popen([*command, change, *SIGNED], env=env, stderr=subprocess.PIPE, text=True) for change in changes]  # fmt: skip
    assert [(one.communicate(timeout=120)[1], one.returncode) for one in together] == [("", 0)] * len(changes)
    policy = desk("policy", "show")[1][0]["policy"]
    assert (policy["model"]["threshold"], policy["kill_switch"]) == (0.97, True)
    assert (policy["evidence_sample"], policy["governor"]["min_lines"]) == (0.5, 77)
    assert [one["done"] for one in desk("policy", "history")[1]] == ["written", "in force"] * len(changes)


def test_members_of_a_policy_that_nobody_looks_at_are_told(kafka_settings, desk):
    topic = topics.Topics(kafka_settings).policy
    old = b'{"version":"old","governor":{"min_calls":50}}'
    send(kafka_settings, [Outgoing(topic, b"policy@old", old), Outgoing(topic, b"current", b'{"version":"old"}')])
    told = "'governor.min_calls'; did you mean 'min_lines'?"
    assert desk("policy", "show")[1][0]["not_looked_at"] == [told]
    assert f"not looked at: {told}" in desk("policy", "show", text=True)[2]


def test_what_others_wrote_does_not_steer_the_terminal(kafka_settings, desk):
    """Whoever may publish calls reaches the desk through dead letters and decisions."""
    letters = topics.dead_letter(topics.Topics(kafka_settings).calls)
    steering, hidden = b"{\x1b]0;owned\x07\x1b[2J", "\u202e"
    headers = (("error.reason", b"not_json"), ("error.message", steering), ("source.topic", b"calls"))
    send(kafka_settings, [Outgoing(letters, steering, steering, headers)])
    decision = Decision(call_id="turned", at=1, decided_at=2, operator=f"op{hidden}", caller="1\x1b[2J", callee="2", action="block")  # fmt: skip
    send(kafka_settings, [Outgoing(topics.Topics(kafka_settings).decisions, b"turned", encode(decision))])
    for command in (("dlq", "show"), ("dlq", "replay"), ("why", "turned")):
        said = desk(*command, text=True)[2]
        assert "\\x1b[2J" in said or "calls.v1.dlq@0" in said
        assert {sign for sign in said if not sign.isprintable()} <= {"\n"}


def test_a_dead_letter_that_was_cut_short_is_told_and_not_sent(kafka_settings, desk):
    value = orjson.dumps(setup("long", "+77010000007", user_agent="x" * 9_000_000))
    letter = buried("too_large", "too much", (topics.Topics(kafka_settings).calls, 2, 17), b"k", value, [("a", b"b")])
    send(kafka_settings, [Outgoing(letter.topic, letter.key, letter.value, tuple(letter.headers), 0)])
    said = desk("dlq", "show", text=True)[2]
    assert f"of the {len(value):,} bytes of its value kept, 1 of its headers left out" in said
    assert desk("dlq", "show")[1][0]["truncated"] == {"value": len(value), "headers": 1}
    for options in ((), ("--again",), ("--yes", "--by", "analyst-7")):
        (plan,) = desk("dlq", "replay", *options)[1]
        assert (plan["verdict"], "not the record that came" in plan["why"]) == ("truncated", True)
    assert "not sent, truncated: it is not the record" in desk("dlq", "replay", text=True)[2]


def test_the_policy_is_changed_shown_taken_back_and_its_past_told(desk):
    code, _, said = desk("policy", "set", "detectors.robocall.mode=shadow", *SIGNED)
    assert code == 0, said
    code, (said,), _ = desk("policy", "set", "model.mode=enforce", "--dry-run", *SIGNED)
    assert (said["written"], said["changes"]) == (False, ['model.mode: "shadow" -> "enforce"'])
    _, (shown,), _ = desk("policy", "show")
    first = shown["policy"]["version"]
    assert (shown["modes"]["robocall"], shown["modes"]["model"], shown["in_force"]) == ("shadow", "shadow", True)
    assert desk("policy", "mode", "model", "all", "enforce", *SIGNED)[0] == 0
    assert desk("policy", "set", "--from", first, *SIGNED)[0] == 0
    _, (shown,), _ = desk("policy", "show")
    assert shown["modes"]["model"] == "shadow"
    assert len(shown["versions"]) == 3
    code, _, said = desk("policy", "set", "model.mode=shadow", *SIGNED)
    assert (code, "nothing was changed" in said) == (1, True)
    code, _, said = desk("policy", "set", "model.mod=shadow", *SIGNED)
    assert (code, "did you mean 'mode'" in said) == (1, True)

    assert desk("policy", "mode", "robocall", "op-a", "shadow", "--hours", "2", *SIGNED)[0] == 0
    assert [one["operator"] for one in desk("policy", "show")[1][0]["demotions"]] == ["op-a"]
    assert "in shadow until" in desk("policy", "show", text=True)[2]
    assert desk("policy", "mode", "robocall", "op-a", "enforce", *SIGNED)[0] == 0
    assert desk("policy", "show")[1][0]["demotions"] == []
    code, _, said = desk("policy", "mode", "cli_spoofing", "op-a", "shadow", *SIGNED)
    assert (code, "policy mode all op-a shadow" in said) == (1, True)
    _, past, _ = desk("policy", "history")
    assert [one["done"] for one in past] == ["written", "in force"] * 3 + ["demoted", "lifted"]
    assert {(one["by"], one["why"]) for one in past} == {(SIGNED[1], SIGNED[3])}


def test_demotions_that_the_policy_brings_are_told_and_lifted_with_it(desk):
    own = 'demotions=[{"detector":"robocall","operator":"op-a","why":"pilot"}]'
    assert desk("policy", "set", own, *SIGNED)[0] == 0
    assert "in shadow by the policy until -: robocall of op-a (pilot)" in desk("policy", "show", text=True)[2]
    enforce = ("policy", "mode", "robocall", "op-a", "enforce")
    code, _, said = desk(*enforce, *SIGNED)
    assert (code, "robocall of op-a; `streamer policy set demotions=default`" in said) == (1, True)
    desk("policy", "mode", "robocall", "op-a", "shadow", "--trunk", "t", *SIGNED)
    code, _, said = desk(*enforce, *SIGNED, text=True)
    assert (code, "lifted: robocall of op-a, trunk t" in said) == (0, True)
    assert "the policy itself has robocall of op-a in shadow, which stays" in said
    assert desk("policy", "set", "demotions=default", *SIGNED)[0] == 0
    assert "in shadow" not in desk("policy", "show", text=True)[2]


def test_what_a_colleague_entered_does_not_end_sooner_unasked(desk):
    other, number = ("--by", "analyst-8", "--why", "try"), "+77010000007"
    assert desk("lists", "add", "block", number, *SIGNED)[1][0]["replaced"] is None
    code, _, said = desk("lists", "add", "block", "+77010000008", "8 701 000 00 07", "--expires", "1h", *other)
    assert (code, "holds without end already (analyst-7: case 1832" in said) == (1, True)
    assert [one["number"] for one in desk("lists", "show")[1]] == [number], "all or none"
    code, _, said = desk("lists", "add", "block", number, "--expires", "1h", "--replace", *other, text=True)
    assert (code, "replaced: until -, by analyst-7: case 1832" in said) == (0, True)
    code, (made,), _ = desk("lists", "add", "block", number, "--expires", "2h", *SIGNED)
    assert (code, made["replaced"]["by"]) == (0, "analyst-8"), "one that ends later takes nothing away"
    assert desk("lists", "add", "block", number, "--expires", "1h", *SIGNED)[0] == 0, "nor does he who entered it"

    demote = ("policy", "mode", "robocall", "op-a", "shadow")
    assert desk(*demote, *SIGNED)[1][0]["replaced"] is None
    code, _, said = desk(*demote, "--hours", "1", *other)
    assert (code, "in shadow without end already (analyst-7: case 1832" in said) == (1, True)
    code, (made,), _ = desk(*demote, "--hours", "1", "--replace", *other)
    assert (code, made["replaced"]["until"]) == (0, None)
    assert "replaced: until 2" in desk(*demote, *SIGNED, text=True)[2]


def test_entries_that_ended_long_ago_are_removed_and_no_others(kafka_settings, desk):
    now, day = int(time.time() * 1000), 86_400_000
    ends = {
        "+77010000001": now - 8 * day,
        "+77010000002": now - 6 * day,
        "+77010000003": now + day,
        "+77010000004": None,
    }
    held = [
        ListEntry(list="block", match="exact", number=number, side="caller", expires_at=end)
        for number, end in ends.items()
    ]
    topic = topics.Topics(kafka_settings).lists
    send(kafka_settings, [Outgoing(topic, one.key.encode(), encode(one)) for one in held])
    for options, removed in ((("--dry-run",), False), ((), True)):
        code, gone, _ = desk("lists", "prune", *options, *SIGNED)
        assert (code, [(one["number"], one["removed"]) for one in gone]) == (0, [("+77010000001", removed)])
    assert [one["number"] for one in desk("lists", "show")[1]] == [*ends][1:]
    assert desk("lists", "history", "--number", "+77010000001")[1][-1]["why"] == SIGNED[3]
    assert "0 entries removed" in desk("lists", "prune", *SIGNED, text=True)[2]
    code, _, said = desk("lists", "prune", "--ended", "1h", *SIGNED)
    assert (code, "calls of the last day" in said) == (1, True)


def test_a_report_is_made_and_shown(desk):
    code, (made,), _ = desk("feedback", "add", "8 701 000 00 07", "fraud", "--source", "bank", "--callee", "+77272345678", "--since", "2h", *SIGNED)  # fmt: skip
    assert (code, made["key"]) == (0, "+77010000007")
    _, shown, _ = desk("feedback", "show", "--caller", "77010000007", "--label", "fraud")
    assert [(one["by"], one["note"], one["key"]) for one in shown] == [(SIGNED[1], SIGNED[3], made["key"])]
    assert shown[0]["partition"] == partition_of(b"+77010000007", 4)
    assert desk("feedback", "show", "--label", "legitimate")[1] == []
    code, _, said = desk("feedback", "add", "anonymous", "fraud", "--source", "bank", *SIGNED)
    assert (code, "names no call" in said) == (1, True)


def test_evidence_is_found_when_its_decision_is_gone(kafka_settings, desk):
    decision = Decision(call_id="gone", at=1, decided_at=2, operator="op-a", caller="1", callee="2", action="block", reasons=["wangiri.one_ring"])  # fmt: skip
    finding = Finding(detector="wangiri", cause="one_ring", observed=16, threshold=15, window_s=600, mode="enforce", action="block")  # fmt: skip
    kept = Evidence(decision=decision, caller_key="1", origin="interconnect", trunk=None, partition=0, offset=0,
                    features={"attempts_1m": 3.0, "attested": None}, findings=[finding])  # fmt: skip
    send(kafka_settings, [Outgoing(topics.Topics(kafka_settings).evidence, b"1", encode(kept))])
    code, (told,), _ = desk("why", "gone")
    assert (code, told["calls"], told["evidence_without_decision"][0]["findings"][0]["observed"]) == (0, [], 16.0)
    said = desk("why", "gone", "--since", "1h", text=True)[2]
    for text in ("no longer in retention", "wangiri.one_ring  16        15         600 s", "missing"):
        assert text in said
    later = time.time() * 1000 + 60_000
    assert desk("why", "gone", "--since", str(int(later)))[0] == 1


def test_who_and_why_are_asked_for(desk):
    assert desk("lists", "add", "block", "+77010000007", text=True)[0] == 2
    code, _, said = desk("kill-switch", "on", "--by", " ", "--why", "x", text=True)
    assert (code, "--by says nothing" in said) == (1, True)


def test_dead_letters_are_shown_and_sent_again_once(kafka_settings, desk):
    """What was wrong of them has to be mended elsewhere: here a wrong key twice, which only a right key mends."""
    caller = "+77010000007"
    with Worker(kafka_settings) as worker:
        judge = Judged(kafka_settings, worker)
        wrong = (partition_of(caller.encode(), 4) + 1) % 4
        value = orjson.dumps(setup("strayed", caller))
        judge.calls.producer.produce(judge.calls.topics.calls, key=b"x", value=value, partition=wrong, headers=[("rekeyed", b"1")])  # fmt: skip
        judge.calls.publish(b"{broken", key="y")
        judge.calls.producer.flush()
        letters = topics.dead_letter(judge.calls.topics.calls)
        assert len(read(kafka_settings, letters, 1, wanted=2)) == 2, worker.log

        _, shown, _ = desk("dlq", "show", "--topic", "calls.v1", "--since", "1h")
        assert {one["reason"] for one in shown} == {"misplaced", "not_json"}
        (stray,) = desk("dlq", "show", "--reason", "misplaced", "--operator", "op-a")[1]
        assert (stray["source"]["partition"], stray["key"], stray["value"].encode()) == (wrong, "x", value)
        _, _, said = desk("dlq", "show", text=True)
        assert "not_json" in said
        assert "{broken" in said

        _, planned, _ = desk("dlq", "replay")
        assert sorted((one["verdict"], one["rekeyed"]) for one in planned) == [
            ("ready", True),
            ("refused again", False),
        ]
        assert desk("dlq", "replay", "--yes")[0] == 1
        _, sent, _ = desk("dlq", "replay", "--yes", "--by", "analyst-7")
        assert sorted(one["verdict"] for one in sent) == ["refused again", "sent"]
        # The broken set-up of the letter had an allow of its own; the one sent again is judged where it belongs.
        assert not judge.calls.until({"strayed"}), worker.log
        _, record = judge.calls.decided["strayed"][-1]
        wait_until(lambda: judge.calls.rest() or judge.calls.decided["strayed"][-1][1].partition() != wrong)
        _, record = judge.calls.decided["strayed"][-1]
        assert record.partition() == partition_of(caller.encode(), 4)
        again = [one for one in read(kafka_settings, judge.calls.topics.calls, 4, wanted=3) if dict(one.headers() or []).get("replayed")]  # fmt: skip
        assert [(one.value(), one.key(), dict(one.headers())["replayed"]) for one in again] == [
            (value, caller.encode(), b"1")
        ]

        _, planned, _ = desk("dlq", "replay")
        assert sorted(one["verdict"] for one in planned) == ["refused again", "sent before"]
        assert worker.stop() == 0, worker.log


def test_without_brokers_one_line_says_so():
    """All at once: each waits for its answer."""
    env = os.environ | {"STREAMER_BOOTSTRAP": "127.0.0.1:1"}
    asked = [("lists", "show"), ("cases", "list"), ("kill-switch", "status"), ("dlq", "show"), ("why", "c"), ("kill-switch", "on", *SIGNED)]  # fmt: skip
    waiting = [
        subprocess.Popen([sys.executable, "-m", "streamer", *command], env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for command in asked
    ]  # fmt: skip
    for command, one in zip(asked, waiting, strict=True):
        printed, errors = one.communicate(timeout=120)
        assert (command, one.returncode, printed) == (command, 1, "")
        (line,) = errors.splitlines()
        assert line.startswith("streamer: ")
        assert "127.0.0.1:1, " in line or "is `bootstrap` right?" in line
        assert "in force" not in line


def test_help_has_an_example_of_every_command(capsys):
    for command in (("dlq", "show"), ("dlq", "replay"), ("lists", "add"), ("policy", "set"), ("policy", "mode"), ("feedback", "add"), ("why",), ("kill-switch", "on"), *(("cases", name) for name in ("list", "show", "close", "reopen", "export", "verify"))):  # fmt: skip
        with pytest.raises(SystemExit) as ended:
            commands.main([*command, "--help"])
        assert (ended.value.code, "Example: streamer" in capsys.readouterr().out) == (0, True), command
