"""Messages and state of newer and older versions: read alike, or refused by name and without a trace."""

import json
import re
from pathlib import Path

import msgspec
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamer import __version__, schemas, versions
from streamer.calls import codec
from streamer.calls.decisions import ModelSnapshot
from streamer.errors import MessageError, ModelError, StateError
from streamer.models import snapshot
from streamer.models.trainer import Trainer
from streamer.registers import facts
from streamer.training.state import TrainerState
from streamer.windows import tallies
from tests import upgrade, words
from tests.calls.reading import as_decoded, as_read
from tests.test_engine import NOW, attempts, batch, engine, judge, model, offer, setup

SAMPLES = Path(__file__).parent / "samples"
WRITTEN = sorted(SAMPLES.glob("v*/*.json"))
STATE = sorted(SAMPLES.glob("state/layout-*.bin"))
CALLER = "+77011234567"


def document(name):
    """The schema of a message: which objects have fields, and which are maps whose keys are names."""
    return json.loads((SAMPLES.parent.parent / "schemas" / f"{name}.v1.json").read_text("utf-8"))


anything = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"]), max_size=8), inner, max_size=3),
    max_leaves=8,
)  # fmt: skip


def newer(draw, value, shape, defs):
    """The same message with fields that nobody knows yet in every object that has fields, before, between and after its own."""
    shape = defs.get(shape["$ref"].rsplit("/", 1)[-1], {}) if "$ref" in shape else shape
    if isinstance(value, list):
        return [newer(draw, one, shape.get("items") or {}, defs) for one in value]
    if not isinstance(value, dict):
        return value
    for choice in shape.get("anyOf", ()):
        if choice.get("type") == "object" or "$ref" in choice:
            return newer(draw, value, choice, defs)
    fields = shape.get("properties")
    if fields is None:
        return {key: newer(draw, one, shape.get("additionalProperties", {}), defs) for key, one in value.items()}
    known = [(key, newer(draw, one, fields.get(key, {}), defs)) for key, one in value.items()]
    names = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12).filter(
        lambda name: name not in fields
    )
    added = draw(st.dictionaries(names, anything, min_size=1, max_size=3))
    return dict(draw(st.permutations([*known, *added.items()])))


@pytest.mark.parametrize("sample", WRITTEN, ids=lambda path: f"{path.parent.name}-{path.stem}")
@settings(max_examples=60)
@given(data=st.data())
def test_fields_that_nobody_knows_yet_change_nothing(sample, data):
    raw = sample.read_bytes()
    shape = document(sample.stem)
    kind = schemas.MESSAGES[sample.stem]
    changed = json.dumps(newer(data.draw, orjson.loads(raw), shape, shape.get("$defs", {}))).encode()
    assert changed != raw
    assert msgspec.json.decode(changed, type=kind) == msgspec.json.decode(raw, type=kind)
    if sample.stem in {"setup", "answer", "end"}:
        assert as_read([raw, changed]) == [as_decoded(raw)] * 2


@pytest.mark.parametrize("packed", STATE, ids=lambda path: path.stem)
def test_state_of_every_layout_is_taken_in_or_refused_by_its_number(packed):
    """What a worker of that layout exported, and what it knew: verdicts to be repeated, a call that waits, counters of a caller."""
    known = json.loads(packed.with_suffix(".json").read_text("utf-8"))
    held, partition = engine(), known["partition"]
    if packed.stem not in {f"layout-{layout}" for layout in versions.LAYOUTS_READ}:
        with pytest.raises(StateError, match=f"state of {packed.stem.replace('-', ' ')}, this version reads layouts"):
            held.import_state(partition, packed.read_bytes())
        return
    held.import_state(partition, packed.read_bytes())
    assert (
        tallies.held(held.state.tallies, partition).tolist() == known["tallies"]
    )  # over a trunk that nobody registered here
    again = judge(held, [said["setup"] for said in known["said"]], NOW + 5)
    expected = [{name: said[name] for name in ("action", "shadow_action", "reasons")} for said in known["said"]]
    assert [{name: found[name] for name in expected[0]} for found in again] == expected
    waits = known["waits"]
    assert [told.call_id for told in held.tick(partition, waits["due_ms"]).revisions] == [waits["call_id"]]
    for ask in (known["next"], known["costly"]):
        features = attempts(held, ask["caller"], ask["at"], callee=ask["callee"])
        assert {name: features[name] for name in ask["features"]} == ask["features"]


def test_the_words_of_the_messages_are_those_that_their_number_was_given_for(tmp_path):
    written, found = json.loads(words.SAMPLE.read_text("utf-8")), words.words()
    changed = words.differences(written, found)
    assert not changed, f"{changed} changed: raise VOCABULARY in streamer/versions.py, then `python -m tests.words`"
    assert written["messages"] == versions.VOCABULARY, "`python -m tests.words` writes them under the new number"
    other = tmp_path / "words.json"
    other.write_text(json.dumps(written | {"features": written["features"][1:]}), "utf-8")
    with pytest.raises(SystemExit, match="features changed: raise VOCABULARY"):
        words.main([], other)
    words.main(["--unreleased"], other)
    assert json.loads(other.read_text("utf-8")) == written


def test_the_present_layout_has_its_sample():
    assert f"layout-{versions.STATE_LAYOUT}.bin" in {path.name for path in STATE}


def test_a_replacement_that_an_old_layout_of_state_stands_against_is_refused_in_words():
    ours, before = (9, (8, 9)), (8, (8,))
    assert upgrade.obstacle(ours, ours, onward=False) is None
    assert "no way back" in upgrade.obstacle(before, ours, onward=False)
    assert upgrade.obstacle(before, ours, onward=True) is None
    assert "begin with an older tree" in upgrade.obstacle((7, (7,)), ours, onward=True)
    assert "no number" in upgrade.obstacle((None, ()), ours, onward=False)
    assert upgrade.layouts(upgrade.ROOT) == (versions.STATE_LAYOUT, versions.LAYOUTS_READ)


ENTRY = {"list": "block", "match": "exact", "number": CALLER, "side": "caller"}
POLICY = {"version": "2"}
OPERATOR = {"operator": "op-a", "mode": "off"}
TRUNK = {"trunk": "t", "operator": "op-a"}
FACT = {"number": CALLER, "at": NOW, "fact": "location", "value": "home", "operator": "op-a"}


@pytest.mark.parametrize(("kind", "key", "message", "says"), [
    ("lists", "k", ENTRY | {"list": "grey"}, "'grey'"), ("lists", "k", ENTRY | {"match": "pattern"}, "'pattern'"),
    ("lists", "k", ENTRY | {"side": "both"}, "'both'"),
    ("operators", "op-a", OPERATOR | {"mode": "canary"}, "'canary'"), ("operators", "op-a", OPERATOR | {"fail": "closed"}, "'closed'"),
    ("trunks", "op-a/t", TRUNK | {"kind": "satellite"}, "'satellite'"),
    ("subscribers.location", CALLER, FACT | {"fact": "mood"}, "'mood'"),
    ("policy", "policy@2", POLICY | {"detectors": {"cloned_voice": {}}}, "no detector is called 'cloned_voice'; there are cli_spoofing"),
    ("policy", "policy@2", POLICY | {"detectors": {"robocall": {"mode": "canary"}}}, "'canary'"),
    ("policy", "policy@2", POLICY | {"detectors": {"robocall": {"actions": {"choir": "block"}}}}, "has no cause 'choir'"),
    ("policy", "policy@2", POLICY | {"detectors": {"robocall": {"actions": {"short_calls": "delay"}}}}, "'delay'"),
    ("policy", "policy@2", POLICY | {"detectors": {"robocall": {"thresholds": {"choirs_1m": 1}}}}, "has no threshold 'choirs_1m'"),
    ("policy", "policy@2", POLICY | {"block_sip_code": 609}, "609"), ("policy", "policy@2", POLICY | {"model": {"action": "delay"}}, "'delay'"),
])  # fmt: skip
def test_what_this_version_has_no_word_for_is_refused_by_name_and_changes_nothing(kind, key, message, says):
    held = engine()
    held.apply("policy", "policy@1", b'{"version":"1"}')
    held.apply("policy", "current", b'{"version":"1"}')
    before = judge(held, [setup("before", CALLER, "+77272345678")])[0]["action"]
    with pytest.raises(MessageError, match=re.escape(says)) as refused:
        held.apply(kind, key, orjson.dumps(message))
    assert refused.value.reason == "unknown_value"
    assert held.policy.version == "1"
    assert judge(held, [setup("after", CALLER, "+77272345678")])[0]["action"] == before


def test_a_policy_that_was_refused_is_shown_as_asked_for_until_another_is():
    held = engine()
    held.apply("policy", "policy@1", b'{"version":"1"}')
    held.apply("policy", "current", b'{"version":"1"}')
    assert held.awaited == {}
    with pytest.raises(MessageError):
        held.apply("policy", "policy@2", b'{"version":"2","detectors":{"cloned_voice":{}}}')
    held.apply("policy", "current", b'{"version":"2"}')
    assert (held.policy.version, held.awaited) == ("1", {"policy": "2"})
    held.apply("policy", "current", b'{"version":"1"}')
    assert held.awaited == {}


def of_a_newer_trainer():
    return msgspec.structs.replace(model(2, 2.0), features=["attempts_1h", "calls_from_space_1h"],
                                   edges=[[1.5, 3.5], [1.0]], weights=[[-2.0, 0.5, 3.0, 0.0], [0.0] * 3])  # fmt: skip


def test_a_model_of_features_that_this_version_has_not_got_is_refused_and_the_last_one_stays():
    held = engine()
    offer(held, model(1, 0.0))
    newest = of_a_newer_trainer()
    newest = msgspec.structs.replace(newest, sha256=snapshot.digest(newest))
    with pytest.raises(MessageError, match="champion@2: calls_from_space_1h is not a feature") as refused:
        held.apply("models", "champion@2", codec.encode(newest))
    assert refused.value.reason == "unknown_value"
    held.apply("models", "current/champion", codec.encode(snapshot.pointer(newest)))
    assert (held.model_version, held.awaited) == ("champion@1", {"models": "champion@2"})
    offer(held, model(3, 0.0))
    assert (held.model_version, held.awaited) == ("champion@3", {})


def test_a_field_that_a_newer_trainer_adds_to_models_does_not_break_their_seal():
    held, sound = engine(), model(1, 0.0)
    wider = msgspec.defstruct("Newer", [("calibration", float, 1.0)], bases=(ModelSnapshot,), frozen=True, kw_only=True)
    newest = wider(**{field: getattr(sound, field) for field in sound.__struct_fields__ if field != "sha256"})
    newest = msgspec.structs.replace(newest, sha256=snapshot.digest(newest))
    assert b"calibration" in codec.encode(newest)
    held.apply("models", "champion@1", codec.encode(newest))
    held.apply("models", "current/champion", codec.encode(snapshot.pointer(newest)))
    assert held.model_version == "champion@1"


def test_the_seal_of_models_is_the_same_for_ever():
    sealed = codec.decode_model((SAMPLES / "v1-whole" / "model-snapshot.json").read_bytes())
    snapshot.verify(sealed)
    assert set(snapshot.SEALED) == set(ModelSnapshot.__struct_fields__) - {"sha256"}


@pytest.mark.parametrize(("kind", "key", "message", "why"), [
    ("policy", "canary@7", {"version": "1", "kill_switch": True}, "neither `current` nor"),
    ("policy", "demotion/cloned_voice/op-a", {"detector": "cloned_voice", "operator": "op-a"}, "no detector 'cloned_voice' that can be demoted"),
    ("models", "second@4", {"name": "second", "text": "tree"}, "not scored with"),
    ("models", "current/second", {"name": "second", "version": 4, "epoch": 1}, "not scored with"),
])  # fmt: skip
def test_records_of_a_kind_that_this_version_does_not_know_are_ignored_and_told(kind, key, message, why):
    held = engine()
    held.apply("policy", "policy@1", b'{"version":"1"}')
    held.apply("policy", "current", b'{"version":"1"}')
    assert why in held.apply(kind, key, orjson.dumps(message))
    assert (held.policy.kill_switch, held.model_version, dict(held.demotions), held.awaited) == (False, None, {}, {})
    assert held.apply(kind, key, None) is None


@pytest.mark.parametrize(("kind", "key", "message"), [
    ("policy", "policy@1", {"version": "2"}), ("models", "champion@2", None), ("models", "current/champion", {"name": "other", "version": 1, "epoch": 1}),
])  # fmt: skip
def test_a_record_under_the_key_of_another_is_refused(kind, key, message):
    held = engine()
    value = codec.encode(model(1, 0.0)) if message is None else orjson.dumps(message)
    with pytest.raises(MessageError) as refused:
        held.apply(kind, key, value)
    assert refused.value.reason == "out_of_range"


@pytest.mark.parametrize(
    ("fact", "known", "unknown"), [("location", "home", "at_sea"), ("line", "active", "suspended")]
)
def test_a_fact_with_a_value_that_this_version_does_not_know_is_as_good_as_none(fact, known, unknown):
    held = engine()

    def of_line():
        compiled = held._in_force.facts.compiled
        row = facts.row_of(compiled, int(held._numbers.ids([CALLER])[0]))
        return (int(compiled.location[row]), int(compiled.line[row]), int(compiled.line_since_ms[row]))

    for value in (known, unknown):
        held.apply(
            f"subscribers.{fact}",
            CALLER,
            orjson.dumps(FACT | {"fact": fact, "value": value, "at": NOW - 40 * 86_400_000}),
        )
        assert any(of_line()) == (value == known)


def test_calls_of_a_newer_vocabulary_are_let_through_and_told():
    held = engine()
    odd = [setup("new-ingress", CALLER, "+77272345678", ingress="missing required field"), setup("new-grade", CALLER, "+77272345678", attestation="D"),
           {**setup("new-type", CALLER, "+77272345678"), "type": "refer"}]  # fmt: skip
    outcomes = held.process(batch(odd), NOW)
    assert [(row, reason) for row, reason, _ in outcomes.rejected] == [
        (0, "unknown_value"),
        (1, "unknown_value"),
        (2, "unknown_type"),
    ]
    said = [orjson.loads(value) for _, _, value in outcomes.decisions]
    assert [(one["call_id"], one["action"], one["reasons"]) for one in said] == [
        ("new-ingress", "allow", ["input.invalid"]), ("new-grade", "allow", ["input.invalid"]),
    ]  # fmt: skip


def test_a_trainer_refuses_the_state_of_another_version_by_name():
    state = TrainerState.new(1_000).to_json({})
    assert TrainerState.from_json(state | {"of_a_newer_version": 1}, 1_000).version == 0
    with pytest.raises(StateError, match="lacks matured_to: another version wrote it"):
        TrainerState.from_json({name: value for name, value in state.items() if name != "matured_to"}, 1_000)
    with pytest.raises(ModelError, match="format 9; this release reads 1"):
        Trainer.from_state(state["learner"] | {"format": 9})


@pytest.mark.parametrize(
    ("member", "change"),
    [
        ("edges", lambda rows: {**rows, "attempts_1m": [2.0, 1.0]}), ("edges", lambda rows: {**rows, "attempts_1m": "x"}),
        ("weights", lambda rows: {**rows, "attempts_1m": [0.0]}), ("weights", lambda rows: {}),
        ("g2", lambda rows: {**rows, "attempts_1m": [-1.0] * len(rows["attempts_1m"])}), ("honest", str),
        ("sample", lambda rows: [[[1.0]], []]),
    ],
)  # fmt: skip
def test_a_trainer_refuses_damaged_state_before_it_learns_from_it(member, change):
    learned = orjson.loads(orjson.dumps(Trainer().state()))
    with pytest.raises(ModelError):
        Trainer.from_state(learned | {member: change(learned[member])})


@pytest.mark.parametrize(
    "change",
    [
        {"epoch": "x"}, {"epoch": 2**60}, {"base": [1]}, {"versions": [[1]]}, {"measured": {"log_loss": None}},
        {"positions": [["evidence.v1", 0]]}, {"learner": None}, {"measuring": {"window_ms": 1_000}},
        {"measuring": {"window_ms": 1_000, "closed_to": 0, "late": 0, "open": {"x": {"cases": 1, "loss": 0.0, "mass": [{}, {}]}}}},
    ],
    ids=repr,
)  # fmt: skip
def test_a_trainer_refuses_damaged_state_by_name(change):
    state = orjson.loads(orjson.dumps(TrainerState.new(1_000).to_json({}))) | change
    with pytest.raises(StateError, match="the trainer's state is damaged"):
        TrainerState.from_json(state, 1_000)


def test_versions_are_told_alike_everywhere():
    assert (
        json.loads((SAMPLES.parent.parent / "schemas" / "asyncapi.json").read_text("utf-8"))["info"]["version"]
        == versions.VOCABULARY
    )
    assert (
        versions.line()
        == f"streamer {__version__}, messages {versions.VOCABULARY}, state layout {versions.STATE_LAYOUT}"
    )


LOWER, UPPER = (
    ("minimum", "exclusiveMinimum", "minLength", "minItems"),
    ("maximum", "exclusiveMaximum", "maxLength", "maxItems"),
)


def said_by(shape, defs, path=""):
    """What a schema demands at each place: (path, keyword) to value; alternatives are places of their own."""
    shape = shape | defs[shape["$ref"].rsplit("/", 1)[-1]] if "$ref" in shape else shape
    found = {
        (path, name): shape[name] for name in ("type", "enum", "pattern", "required", *LOWER, *UPPER) if name in shape
    }
    for choice in shape.get("anyOf", ()):
        of = choice.get("type") or choice.get("$ref") or "enum"
        found |= said_by(choice, defs, f"{path}|{of}")
    for name, inner in shape.get("properties", {}).items():
        found |= said_by(inner, defs, f"{path}.{name}")
    for name in ("items", "additionalProperties"):
        if isinstance(shape.get(name), dict):
            found |= said_by(shape[name], defs, f"{path}[]")
    return found


def narrower(old, new):
    """Where a message that `old` admits may be refused by `new`."""
    for (path, name), value in new.items():
        before = old.get((path, name))
        if (path, "type") not in old and (path, "enum") not in old and (path, "required") not in old:
            continue  # a field that was not there
        if name == "required":
            wrong = set(value) - set(before or ())
        elif name == "enum":
            wrong = before is None or set(before) - set(value)
        elif name in LOWER:
            wrong = before is None or value > before
        elif name in UPPER:
            wrong = before is None or value < before
        else:
            wrong = value != before
        if wrong:
            yield f"{path or 'the message'}: {name} {before!r} became {value!r}"
    for path, _ in old.keys() - new.keys():
        if not any(path == there for there, _ in new):
            yield f"{path or 'the message'}: is gone"


def admitted(document):
    return said_by(document, document.get("$defs", {}))


ONCE = json.loads((SAMPLES / "v1-schemas.json").read_text("utf-8"))


@pytest.mark.parametrize("name", sorted(ONCE))
def test_messages_that_were_once_admitted_are_admitted_for_ever(name):
    assert list(narrower(admitted(ONCE[name]), admitted(schemas.message_schema(name)))) == []


@pytest.mark.parametrize(("change", "says"), [
    (lambda d: d["required"].append("trunk"), "required"), (lambda d: d["properties"].pop("trunk"), ".trunk.*is gone"),
    (lambda d: d["properties"]["ingress"]["enum"].remove("national"), "enum"), (lambda d: d["properties"]["at"].update(minimum=1), "minimum"),
    (lambda d: d["properties"]["caller"].update(maxLength=63), "maxLength"), (lambda d: d["properties"]["callee"].update(type="integer"), "type"),
    (lambda d: d["properties"]["caller"].update(minLength=1), "minLength"),
])  # fmt: skip
def test_a_narrower_message_is_seen(change, says):
    once = schemas.message_schema("setup")
    now = json.loads(json.dumps(once))
    change(now)
    found = next(narrower(admitted(once), admitted(now)))
    assert re.search(says, found)
