"""Whole evaluations on the real engine: traffic that hears its verdicts, records as replay judges them, a candidate policy."""

from collections import Counter
from itertools import islice

import orjson
import pytest

from streamer.calls.codec import encode
from streamer.calls.decisions import DetectorPolicy, Policy, PolicyPointer
from streamer.calls.events import Answer, End, Setup
from streamer.calls.numbers import home_plan
from streamer.errors import ReplayError, SettingsError
from streamer.lab import control
from streamer.lab.evaluation import pages, passes, telling
from streamer.lab.evaluation.evaluation import Records, Rules, Simulation, judge_records, simulate
from streamer.lab.evaluation.verdicts import Judge
from streamer.lab.rejects import Rejects
from streamer.lab.replay import history_engine, through_engine
from streamer.lab.source import Source
from streamer.lab.traffic import Traffic
from streamer.settings import load

FEW = {"unverified_origin": DetectorPolicy(thresholds={"matches": 5})}
"""So that originations tell something from the fifth call on."""
HEAR = ("tdos", "number_rotation", "neighbour_spoofing", "scam_centre", "sim_box", "flash_call")
"""Detectors that judge by signals, of which a replay hears none."""
MADE_UP = "+77030000001"
"""703 is no code of the plan."""
THREE_UTC = 1_764_730_800_000


@pytest.fixture
def settings():
    return load(partitions=2, max_callers=50_000, max_calls=100_000)


def setup(number, caller=MADE_UP, **more):
    return {"type": "setup", "call_id": f"c{number}", "at": THREE_UTC + 1000 * number, "operator": "op-a", "caller": caller,
            "callee": f"+7727234{37 * number:04d}", "ingress": "national", "trunk": "t1", **more}  # fmt: skip


def written(path, messages):
    path.write_bytes(b"".join(orjson.dumps(message) + b"\n" for message in messages))
    return path


def of_file(path, tmp_path, control_file=None):
    return Records([path], None, control_file, tmp_path / "rejects.jsonl", 0, "KZ")


def test_simulated_calls_that_are_blocked_are_not_answered(settings):
    traffic = Traffic(31, 40, seconds=120, subscribers=4_000)
    seen = []

    class Heard:
        truth, blocked = traffic.truth, traffic.blocked

        def __iter__(self):
            for found in traffic:
                seen.append(found[1])
                yield found

    policy = Policy(version="p", detectors=FEW)
    judge = Judge(settings, "KZ", live=True, controls=list(control.of_traffic(traffic)), policy=policy)
    found = list(passes.simulated(Heard(), passes.Side([judge], 2, 500), "KZ"))

    setups = [event for event in seen if isinstance(event, Setup)]
    assert [truth.call_id for truth, _ in found] == [verdict.said.call_id for _, (verdict,) in found]
    assert Counter(event.call_id for event in setups) == Counter(truth.call_id for truth, _ in found)
    at_once = {verdict.said.call_id for _, (verdict,) in found if verdict.said.action == "block"}
    revised = {verdict.said.call_id for _, (verdict,) in found if verdict.came == "revised"}
    assert len(at_once) > 20
    assert revised
    answered = {event.call_id for event in seen if isinstance(event, Answer)}
    causes = {event.call_id: event.cause for event in seen if isinstance(event, End)}
    assert not at_once & answered
    assert not revised & answered
    let_ring = [call for call in at_once if causes[call] == 21]
    assert len(let_ring) > 0.5 * len(at_once)  # the others were busy or dead at once
    assert all(causes[call] == 21 for call in revised)


def test_but_for_signals_records_are_judged_as_replay_judges_them(settings, tmp_path):
    traffic = Traffic(33, 60, seconds=90, subscribers=4_000)
    rules = (
        FEW
        | dict.fromkeys(HEAR, DetectorPolicy(mode="off"))
        | {"wangiri": DetectorPolicy(actions={"called_back": "allow"})}
    )
    policy = Policy(version="p", detectors=rules, control_share=0.0)
    beside = [*control.of_traffic(traffic), control.Control("policy", "policy@p", encode(policy)),
              control.Control("policy", "current", encode(PolicyPointer(version="p")))]  # fmt: skip
    path = tmp_path / "calls.jsonl"
    path.write_bytes(b"".join(value + b"\n" for _, _, value, _ in islice(traffic.encoded(), 20_000)))
    engine, decisions = history_engine(settings, "KZ"), []
    for record in beside:
        engine.apply(record.kind, record.key, record.value)
    with Rejects(tmp_path / "bad.jsonl") as bad:
        through_engine(Source([path], None, home_plan("KZ"), bad, hold=0), engine, settings, write=decisions.append)
        judge = Judge(settings, "KZ", live=False, controls=beside)
        source = Source([path], None, home_plan("KZ"), bad, hold=0)
        found = [verdict for (verdict,) in passes.recorded(source, passes.Side([judge], 2, settings.batch_records))]
    said = [orjson.loads(line) for line in decisions]
    first = {one["call_id"]: one["action"] for one in said if not one["revises"]}
    assert {verdict.said.call_id: verdict.said.action for verdict in found} == first
    assert {verdict.said.call_id for verdict in found if verdict.came == "revised"} == {
        one["call_id"] for one in said if one["revises"]
    }
    assert len({verdict.action for verdict in found}) > 1


def test_simulated_figures(settings):
    order = Simulation((31, 32), 40, 150, {"cli_spoofing": 0.1, "wangiri": 0.1}, 4_000, warm_up_s=30)
    count = simulate(order, Rules(), settings)
    found = count.figures()
    by = {one.adversary: one for one in found.frauds}
    assert by["cli_spoofing"].standing == by["wangiri"].standing == "met"
    assert by["irsf"].standing == "no call seen"
    assert by["wangiri"].counted < by["wangiri"].calls
    assert by["wangiri"].first_calls[0] >= 15  # distinct called numbers are the threshold
    assert found.contributions["cli_spoofing"].alone > 0
    assert 0 < found.warming < found.setups / 2
    assert found.setups == pytest.approx(2 * 40 * 120, rel=0.1)
    again = simulate(order, Rules(), settings).figures()
    assert again == found


def test_a_day_has_the_slow_frauds_that_are_asked_for_and_none_where_none_is():
    def day(frauds):
        return Simulation((1,), 200, 60, frauds, day=True).runs()[-1].frauds

    assert day({}) == {}
    assert day({"robocall": 0.1, "sim_box": 0.02}) == {"sim_box": 0.02}
    assert day(None).keys() == {"sim_box", "pbx_hacking"}


def test_the_curves_at_the_thresholds_in_force_are_what_was_decided(settings):
    order = Simulation((35,), 40, 150, {"robocall": 0.1, "wangiri": 0.1, "range_probing": 0.1}, 4_000, warm_up_s=0)
    found = simulate(order, Rules(), settings).figures()
    recall = {one.fraud: one.recall for one in found.frauds if one.counted}
    assert len(recall) == 3
    assert {name for name, one in found.contributions.items() if one.shared} == set()  # so that recall is theirs alone
    for curve in found.curves:
        here = next(point for point in curve.points if point.value == curve.present)
        if curve.detector in recall:
            assert here.recall == pytest.approx(recall[curve.detector])
            assert here.wrong == found.contributions[curve.detector].wrong
    lower = next(one for one in found.curves if (one.detector, one.threshold) == ("wangiri", "distinct")).points
    assert [point.recall for point in lower] == sorted((point.recall for point in lower), reverse=True)


def test_what_would_have_been_blocked_without_any_truth(settings, tmp_path):
    calls = [setup(n) for n in range(10)]
    calls += [setup(20 + n, "+77172345600", trunk="t2", ingress="national") for n in range(5)]
    calls += [setup(30, "+77040000001", at=THREE_UTC + 3_600_000)]
    path = written(tmp_path / "calls.jsonl", calls)
    for rules in (
        Rules(),
        Rules(Policy(version="shadowed", detectors={"number_invalid": DetectorPolicy(mode="shadow")})),
    ):
        count, _ = judge_records(of_file(path, tmp_path), None, rules, settings)
        asked = count.asked
        assert (asked.setups, asked.asked, len(asked.lines)) == (16, 11, 3)
        assert dict(asked.by_reason) == {"number_invalid.not_in_plan": 11}
        assert dict(asked.by_trunk) == {"op-a/t1": 11}
        assert not asked.milder
        assert (asked.of_trunk["op-a/t2"], dict(asked.by_hour)) == (5, {3: 10, 4: 1})
        line = asked.by_line[MADE_UP, "interconnect"]
        assert (line.calls, len(line.callees), line.first_ms, line.last_ms) == (10, 10, THREE_UTC, THREE_UTC + 9_000)
        page = "\n".join(map(str, telling.of_records(of_file(path, tmp_path), count, None)))
        assert MADE_UP in page
        assert "number_invalid.not_in_plan" in page


def test_what_would_have_been_labelled_and_nothing_blocked(settings, tmp_path):
    label = Policy(version="label", detectors={"number_invalid": DetectorPolicy(actions={"not_in_plan": "label"})})
    path = written(tmp_path / "calls.jsonl", [setup(n) for n in range(3)])
    count, _ = judge_records(of_file(path, tmp_path), None, Rules(label), settings)
    assert (dict(count.asked.milder), dict(count.asked.milder_by)) == ({"label": 3}, {"number_invalid.not_in_plan": 3})
    parts = list(telling.of_records(of_file(path, tmp_path), count, None))
    (table,) = (part for part in parts if isinstance(part, pages.Table))
    assert list(table.rows) == [("`number_invalid.not_in_plan`", "less", "3")]


def test_labelled_records(settings, tmp_path):
    from streamer.lab.truth import Truth

    path = written(tmp_path / "calls.jsonl", [*(setup(n) for n in range(4)), setup(8, "+77172345600"), setup(9)])
    truths = {f"c{n}": Truth(f"c{n}", "number_invalid") for n in range(4)} | {
        "c8": Truth("c8"),
        "nobody": Truth("nobody"),
    }
    count, _ = judge_records(of_file(path, tmp_path), truths, Rules(), settings)
    found = count.figures()
    one = next(one for one in found.frauds if one.adversary == "number_invalid")
    assert (one.calls, one.met, one.standing, one.campaigns) == (4, 4, "met", 1)
    assert (found.honest_calls.errors, found.honest_calls.trials, found.kinds[0].kind) == (0, 1, "unknown")
    assert count.unnamed == 1


def test_records_that_the_truth_does_not_know(settings, tmp_path):
    from streamer.lab.truth import Truth

    path = written(tmp_path / "calls.jsonl", [setup(1)])
    with pytest.raises(ReplayError, match="none of the 1 calls"):
        judge_records(of_file(path, tmp_path), {"other": Truth("other")}, Rules(), settings)


def test_a_candidate_tells_what_it_would_newly_block_and_release(settings, tmp_path):
    off = Policy(version="off", detectors={"number_invalid": DetectorPolicy(mode="off")})
    path = written(tmp_path / "calls.jsonl", [*(setup(n) for n in range(7)), setup(20, "+77172345600")])
    order = of_file(path, tmp_path)
    changes = judge_records(order, None, Rules(None, off), settings)[0].changes
    assert (changes.setups, changes.same_blocks) == (8, 0)
    assert (changes.released.calls, dict(changes.released.lines)) == (7, {(MADE_UP, "interconnect"): 7})
    assert dict(changes.released.reasons) == {"number_invalid.not_in_plan": 7}
    (example,) = changes.released.examples.values()
    assert (example.call_id, example.before, example.after) == ("c0", "block", "allow")
    assert "number_invalid.not_in_plan" in example.why
    assert not changes.blocked.calls
    changes = judge_records(order, None, Rules(off, Policy(version="on")), settings)[0].changes
    assert (changes.blocked.calls, changes.released.calls, len(changes.blocked.lines)) == (7, 0, 1)
    label = Policy(version="label", detectors={"number_invalid": DetectorPolicy(actions={"not_in_plan": "label"})})
    changes = judge_records(order, None, Rules(off, label), settings)[0].changes
    assert dict(changes.other) == {("allow", "label"): 7}


def test_a_candidate_beside_simulated_traffic_changes_nothing_for_it(settings):
    order = Simulation((31,), 40, 60, {"number_invalid": 0.1}, 4_000, warm_up_s=0)
    milder = Policy(version="milder", detectors={"number_invalid": DetectorPolicy(mode="shadow")})
    alone, beside = (simulate(order, rules, settings) for rules in (Rules(), Rules(None, milder)))
    assert alone.figures() == beside.figures()
    assert beside.changes.released.calls == sum(one.blocked for one in alone.figures().frauds)
    assert set(beside.changes.released.truths) == {"number_invalid"}


def test_a_policy_that_the_engine_refuses(settings):
    with pytest.raises(SettingsError, match="nosuch"):
        Judge(settings, "KZ", live=True, policy=Policy(version="p", detectors={"nosuch": DetectorPolicy()}))
