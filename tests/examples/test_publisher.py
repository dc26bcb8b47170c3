"""The example's caller key is the contract's, for every vector that is published."""

import argparse
import json
from pathlib import Path

import msgspec
import publisher
import pytest

from streamer.calls.emergency import emergency_numbers
from streamer.calls.events import Answer, End, Setup
from streamer.calls.numbers import home_plan

ROOT = Path(__file__).parent.parent.parent
PUBLISHED = json.loads((ROOT / "schemas/caller-key-vectors.json").read_text("utf-8"))


def test_home_is_as_published():
    assert publisher.plan_of("KZ")._replace(emergency=()) == publisher.KAZAKHSTAN


@pytest.mark.parametrize("home", sorted(PUBLISHED["plans"]))
def test_every_countrys_plan_is_the_detectors(home):
    own = home_plan(home)
    found = publisher.plan_of(home)
    assert found == publisher.Plan(*(getattr(own, name) for name in found._fields[:-1]), found.emergency)
    assert set(found.emergency) == emergency_numbers(home)


def test_a_country_that_there_is_not_is_told(capsys):
    parser = argparse.ArgumentParser()
    publisher.add_connection(parser)
    assert parser.parse_args([]).home is None
    with pytest.raises(SystemExit):
        parser.parse_args(["--home", "XX"])
    assert "no country 'XX' in " in capsys.readouterr().err


@pytest.mark.parametrize("vector", PUBLISHED["vectors"], ids=lambda vector: f"{vector['home']} {vector['shows']}")
def test_caller_key(vector):
    plan = publisher.plan_of(vector["home"])
    assert publisher.caller_key(vector, plan) == vector["key"]
    assert publisher.is_withheld(vector["caller"]) == vector["withheld"]
    assert publisher.normalised(vector["callee"], plan) == vector["callee_normalised"]


@pytest.mark.parametrize("talk_ms", [0, 1])
def test_a_made_up_call_is_what_the_contract_says(talk_ms):
    given = publisher.argparse.Namespace(
        call_id=None,
        operator="op-a",
        caller="8 701",
        callee="112",
        ingress="national",
        trunk=None,
        ring_ms=0,
        talk_ms=talk_ms,
    )
    made = [msgspec.convert(event, Setup | Answer | End, strict=True) for event in publisher.one_call(given)]
    assert [type(event) for event in made] == ([Setup, Answer, End] if talk_ms else [Setup, End])
    assert len({event.call_id for event in made}) == 1
    assert [event.at for event in made] == sorted(event.at for event in made)


def test_settings_come_from_a_file_as_kcat_reads_it(tmp_path):
    file = tmp_path / "client.properties"
    file.write_text("# brokers\nbootstrap.servers=a:1\nsasl.password = p=w \n\n")
    given = publisher.argparse.Namespace(config=str(file), bootstrap=None)
    assert publisher.client_config(given) == {"bootstrap.servers": "a:1", "sasl.password": "p=w"}
    given.bootstrap = "b:2"
    assert publisher.client_config(given)["bootstrap.servers"] == "b:2"
