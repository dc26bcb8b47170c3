"""The policy as its log leaves it, changes by path, and its past."""

from itertools import chain

import msgspec
import pytest

from streamer.calls.codec import encode
from streamer.calls.decisions import Demotion, DetectorPolicy, ModelPolicy, Policy
from streamer.demotions import demotion_key
from streamer.desk import edits, rules
from streamer.desk.record import signed
from streamer.detectors import DETECTORS
from streamer.errors import DeskError
from streamer.kafka.logs import LogRecord
from streamer.policy import compile_rules

BASE = Policy(version="one", detectors={"robocall": DetectorPolicy(mode="shadow", cache_s=7)})


def log(*pairs, headers=()):
    return [
        LogRecord("policy", 0, offset, 1_000 + offset, key.encode(), value, headers)
        for offset, (key, value) in enumerate(pairs)
    ]


def test_members_are_set_by_path_and_put_back():
    made = edits.edited(BASE, ["model.threshold=0.97", "kill_switch=true", "detectors.robocall.mode=enforce"])
    assert (made.model.threshold, made.kill_switch, made.detectors["robocall"].mode) == (0.97, True, "enforce")
    assert made.detectors["robocall"].cache_s == 7
    assert edits.edited(made, ["detectors.robocall=default", "model=default"]).detectors == {}


def test_thresholds_are_set_by_path_where_nothing_was_said_before():
    changes = ["detectors.wangiri.thresholds.distinct=20", "counting.burst_callers=6", "cases.imei_sim_box_bar_sim.thresholds.sims=6",
               "cases.imei_sim_box_bar_sim.thresholds.victims/calls=0.85", "cases.holder_sim_box_watch.opens=false"]  # fmt: skip
    made = edits.edited(BASE, changes)
    assert made.detectors["wangiri"].thresholds == {"distinct": 20}
    assert made.counting == {"burst_callers": 6}
    bounds = rules.thresholds_of_cases(made)
    assert (bounds["imei_sim_box_bar_sim"]["sims"], bounds["imei_sim_box_bar_sim"]["victims/calls"]) == (6, 0.85)
    assert bounds["holder_sim_box_watch"] is None
    assert bounds["imei_sim_box_watch"] == rules.thresholds_of_cases(BASE)["imei_sim_box_watch"]
    put_back = edits.edited(made, ["counting=default", "cases=default", "detectors.wangiri=default"])
    assert msgspec.structs.replace(put_back, version="one") == BASE


@pytest.mark.parametrize("name", [detector.id for detector in DETECTORS])
def test_naming_a_detector_changes_nothing_else_of_it(name):
    def compiled(policy):
        return [column.tolist() for column in compile_rules(policy, None)[:-2] if hasattr(column, "tolist")]

    made = edits.edited(Policy(version="a"), [f"detectors.{name}.mode=enforce"])
    before, after = Policy(version="a"), msgspec.structs.replace(made, version="a")
    assert compiled(before) == compiled(after)


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ("model.treshold=0.9", "did you mean 'threshold'"),
        ("modle.threshold=0.9", "did you mean 'model'"),
        ("model.threshold=2", "not a policy"),
        ("detectors.robocal.mode=off", "no detector is called"),
        ("detectors.robocall.thresholds.nothing=1", "no threshold"),
        ("detectors.robocall.thresholds.attempts_1m=-1", "not 0 to"),
        ("version=x", "not set by hand"),
        ("kill_switch", "PATH=VALUE"),
        ("detectors.wangiri=default", "nothing to put back"),
        ("detectors.wangiri.thresholds.nothing=1", "no threshold"),
        ("counting.busy_cals=30", "did you mean 'busy_calls'"),
        ("counting.busy_every=0", "1 to"),
        ("cases.imei_simbox_bar_sim.opens=false", "did you mean 'imei_sim_box_bar_sim'"),
        ("cases.imei_sim_box_bar_sim.thresholds.sim=6", "it has sims"),
        ("cases.imei_sim_box_bar_sim.opns=false", "did you mean 'opens'"),
        ("cases.imei_sim_box_bar_sim.thresholds.sims=-1", "not a policy"),
        ("detectors.irsf.cache_s=60", "would do nothing: .* robocall"),
        ("detectors.cli_spoofing.cache_s=1", "would do nothing"),
    ],
)
def test_what_there_is_not_is_refused(change, word):
    with pytest.raises(DeskError, match=word):
        edits.edited(BASE, [change])


@pytest.mark.parametrize("detector", DETECTORS, ids=lambda detector: detector.id)
def test_for_how_long_blocks_are_repeated_is_refused_where_workers_do_not_heed_it(detector):
    row = DETECTORS.index(detector)
    asked = Policy(version="a", detectors={detector.id: DetectorPolicy(cache_s=7)})
    if compile_rules(asked, None).cache_s[row] == 7:
        assert edits.edited(Policy(version="a"), [f"detectors.{detector.id}.cache_s=7"]) == asked
    else:
        with pytest.raises(DeskError, match="would do nothing"):
            edits.edited(Policy(version="a"), [f"detectors.{detector.id}.cache_s=7"])


def test_a_policy_in_force_with_a_value_that_does_nothing_can_be_changed_all_the_same():
    held = Policy(version="a", detectors={"irsf": DetectorPolicy(cache_s=60)})
    assert edits.edited(held, ["kill_switch=true"]).kill_switch
    assert edits.edited(held, ["detectors.irsf.cache_s=default"]).detectors["irsf"].cache_s == 0
    with pytest.raises(DeskError, match="would do nothing"):
        edits.edited(held, ["detectors.irsf.cache_s=30"])
    (told,) = rules.standing(log(*rules.records_of(held))).versions.values()
    assert told == held


def test_the_log_leaves_what_the_workers_have_in_force():
    two = Policy(version="two", model=ModelPolicy(mode="enforce"), by="b", why="w")
    demotion = Demotion(detector="robocall", operator="op-a", trunk="t/1", until=None)
    records = log(
        *((key, value) for key, value in rules.records_of(BASE)),
        ("policy@two", encode(two)),
        ("current", b'{"version":"three"}'),
        ("policy@bad", b'{"version":"bad","detectors":{"nobody":{}}}'),
        (demotion_key(demotion), encode(demotion)),
        ("demotion/robocall/op-b", encode(demotion)),
    )
    found = rules.standing(records)
    assert (found.policy, found.wanted, set(found.versions)) == (BASE, "three", {"one", "two"})
    assert found.demotions == {demotion_key(demotion): demotion}
    past = list(rules.history(records))
    assert [one.done for one in past] == ["written", "in force", "written", "in force", "refused", "demoted", "refused"]
    assert past[2].what == ["detectors.robocall.cache_s: 7 -> default", 'detectors.robocall.mode: "shadow" -> default',
                            'model.mode: "shadow" -> "enforce"']  # fmt: skip
    assert rules.standing([*records, *log(("current", None))]).policy.version == "default"
    lifted = list(rules.history([*records, *log((demotion_key(demotion), None), headers=signed("c", "d"))]))[-1]
    assert (lifted.done, lifted.by, lifted.what) == ("lifted", "c", ["robocall of op-a, trunk t/1"])


def test_whoever_turned_the_kill_switch_is_told_whatever_was_changed_since():
    on = [
        Policy(version=name, kill_switch=wanted)
        for name, wanted in (("a", False), ("b", True), ("c", True), ("d", False))
    ]
    records = [log(*rules.records_of(policy)) for policy in on]
    since = [rules.standing(chain(*records[:end])).kill_switch_since.version for end in range(5)]
    assert since == ["default", "default", "b", "b", "d"]
    back = [*chain(*records), *log(("current", b'{"version":"c"}'))]
    assert rules.standing(back).kill_switch_since.version == "b"
    assert rules.standing([*back, *log(("policy@b", None))]).kill_switch_since.version == "c"


def test_a_version_is_never_used_twice():
    assert rules.next_version(["2026-11-24.2", "2026-11-23.7", "x"], "2026-11-24") == "2026-11-24.3"


def test_origin_detectors_are_not_demoted():
    assert rules.demotable("robocall")
    assert rules.demotable("model")
    assert not rules.demotable("cli_spoofing")


def test_members_that_nobody_looks_at_are_told_with_the_known_one_nearest():
    renamed = encode(BASE).replace(b'"min_lines"', b'"min_calls"')
    found = rules.Standing()
    written = found.take(log(("policy@one", renamed))[0])
    assert found.unknown == {"one": ["'governor.min_calls'; did you mean 'min_lines'?"]}
    assert "not looked at: 'governor.min_calls'; did you mean 'min_lines'?" in written.what
    found.take(log(("policy@one", None))[0])
    assert found.unknown == {}


def test_a_policy_under_another_key_is_refused_as_the_workers_do():
    found = rules.standing(log(("policy@two", encode(BASE)), ("current", b'{"version":"two"}')))
    assert (found.policy.version, found.versions) == ("default", {})


def test_members_that_nobody_looks_at_may_be_of_any_bytes():
    value = b'{"version":"one","\xff":1,"more":"\xed\xa0\x80"}'
    (past,) = rules.history(log(("policy@one", value)))
    assert (past.done, len(past.what)) == ("written", 2)
