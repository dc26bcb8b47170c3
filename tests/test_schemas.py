"""The published contract equals the code; samples of every version decode for ever; what the engine sends fits its schema."""

import json
from pathlib import Path

import jsonschema
import msgspec
import orjson
import pytest

from streamer import schemas
from streamer.calls import codec
from streamer.desk import letters
from streamer.desk.operators import KILL_SWITCH
from streamer.desk.record import signed
from streamer.kafka.dead_letters import TRUNCATED, dead_letter_headers, source_headers
from streamer.kafka.logs import LogRecord
from tests.test_engine import batch, engine, setup

ROOT = Path(__file__).parent.parent
SAMPLES = sorted((ROOT / "tests" / "samples").glob("v*/*.json"))


def test_every_message_has_a_sample():
    assert {sample.stem for sample in SAMPLES} == set(schemas.MESSAGES)


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_samples_decode_and_fit_their_schema(sample):
    raw = sample.read_bytes()
    msgspec.json.decode(raw, type=schemas.MESSAGES[sample.stem])
    schema = json.loads((ROOT / "schemas" / f"{sample.stem}.v1.json").read_text("utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(json.loads(raw), schema)


def test_the_published_folder_is_what_the_code_says():
    assert schemas.differences(ROOT / "schemas") == []


def test_what_the_engine_sends_fits_the_schemas():
    held = engine()
    held.apply("policy", "policy@all", b'{"version":"all","evidence_sample":1.0}')
    held.apply("policy", "current", b'{"version":"all"}')
    outcomes = held.process(
        batch([setup("1", "+77011234567", "+77272345678"), setup("2", "garbage", "+77272345678")]), 1_763_953_000_100
    )
    for name, found in (("decision", outcomes.decisions), ("evidence", outcomes.evidence)):
        schema = json.loads((ROOT / "schemas" / f"{name}.v1.json").read_text("utf-8"))
        assert len(found) == 2
        for _, _, value in found:
            jsonschema.validate(orjson.loads(value), schema)
            getattr(codec, f"decode_{name}")(value)


def test_every_header_that_is_written_is_in_the_document():
    record = LogRecord("calls.dlq", 0, 0, 1, b"k", b"v", ())
    again = [name for name, _ in letters.headers_again(letters.Letter(record, "", "", "", 0, 0, None, 0, {}), "an")]
    by_hand = [name for name, _ in signed("an", "why")]
    dead = [name for name, _ in dead_letter_headers("", "", "", 0, 0)]
    source = [name for name, _ in source_headers(0, 0)]
    written = {
        "setup": {"rekeyed", *source, *again},
        "decision": set(source),
        "operator": {KILL_SWITCH, *by_hand, *again},
        "dead-letter": {letters.NOTED, *by_hand, *dead, *TRUNCATED.values()},
        **{key: {*by_hand, *again} for key in ("list-entry", "policy", "policy-pointer", "demotion")},
        **{key: set(again) for key in ("feedback", "case", "subscriber-fact", "trunk", "evidence", "model-snapshot")},
    }
    messages = schemas.asyncapi()["components"]["messages"]
    assert {name: set(messages[name]["headers"]["properties"]) for name in written} == written
