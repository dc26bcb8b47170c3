"""From rows to calls: templates, pseudonyms, directions, times; the shipped mappings on rows of the shape they are for."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from streamer.calls.codec import decode_call, encode
from streamer.calls.events import Answer, End, Setup
from streamer.errors import MessageError, ReplayError
from streamer.lab import mapping as mappings
from streamer.lab.packed import Counted
from streamer.lab.records import Row, read_csv
from streamer.lab.rejects import UnmappedError

PLAIN = """
about = "a test"
{top}
[times]
at = "{{when}}"
{times}
[fields]
operator = "op-a"
caller = "{{from}}"
callee = "{{to}}"
ingress = "national"
{fields}
{rest}
"""


@pytest.fixture
def written(tmp_path):
    """A mapping from a plain one with something put in."""

    def write(top="", times="", fields="", rest="", text=None):
        path = tmp_path / "mine.toml"
        path.write_text(text or PLAIN.format(top=top, times=times, fields=fields, rest=rest))
        return mappings.read(str(path))

    return write


def row(line=2, file="calls.csv", **fields):
    from pathlib import Path

    given_ = {"when": "2025-11-24T03:00:00Z", "from": "+77011234567", "to": "+77272345678"} | fields
    return Row(Path(file), line, given_, "")


def rows_of(tmp_path, name, mapping, text):
    path = tmp_path / name
    path.write_text(text)
    with Counted(path) as file:
        found = list(read_csv(path, file))
    mapping.check(found[0].fields, path)
    return [mapping.events(each) for each in found]


# the shipped mappings


def test_sichuan_turns_pseudonyms_and_directions_into_callers_and_called(tmp_path):
    out, came, forwarded, missed = rows_of(
        tmp_path,
        "records.csv",
        mappings.read("sichuan"),
        "ts,subscriber,peer,direction,duration,city,county,imei,label\n"
        "2019-08-01 05:42:47,line_1,00aa,out,26,广安,岳池县,ff01,0\n"
        "2019-08-01 05:43:47,line_1,00bb,in,15,广安,岳池县,ff01,0\n"
        "2019-08-01 06:34:27,line_1,00aa,forward,17,,,,0\n"
        "2019-08-01 07:00:00,line_2,00aa,out,0,成都,,ff02,1\n",
    )
    setup, answer, end = out
    assert (type(setup), type(answer), type(end)) == (Setup, Answer, End)
    assert setup.call_id == "line_1-2"
    assert setup.caller.startswith("+86139")
    assert len(setup.caller) == len("+86139") + 8
    assert setup.caller != setup.callee
    assert (setup.ingress, setup.imei, setup.cell) == ("subscriber", "ff01", "广安/岳池县")
    assert answer.at == 1_564_609_367_000  # 05:42:47 in China is 21:42:47 UTC of the day before
    assert (setup.at, end.at) == (answer.at - 6_000, answer.at + 26_000)
    assert (end.ring_ms, end.talk_ms, end.cause) == (6_000, 26_000, 16)
    incoming = came[0]
    assert (incoming.callee, incoming.ingress, incoming.trunk, incoming.imei) == (
        setup.caller,
        "national",
        "interconnect",
        None,
    )
    assert (forwarded[0].caller, forwarded[0].callee) == (setup.caller, setup.callee)
    assert (forwarded[0].diverted_from, forwarded[0].cell) == (setup.caller, None)
    assert [type(event) for event in missed] == [Setup, End]
    assert (missed[1].talk_ms, missed[1].cause, missed[0].cell) == (0, 19, "成都/")


def test_vast_maps_phones_and_cells_and_refuses_a_negative_duration(tmp_path):
    mapping = mappings.read("vast2008")
    head = "From,To,Datetime,Duration(seconds),Cell Tower,ts\n"
    one, back = rows_of(
        tmp_path,
        "phones.csv",
        mapping,
        head + "49,23,20060601 0008,1634,1,2006-06-01 00:08:00\n23,49,20060601 0108,3,24,2006-06-01 01:08:00\n",
    )
    assert (one[0].caller, one[0].callee) == (back[0].callee, back[0].caller)
    assert one[0].caller.startswith("+7701")
    assert (one[0].cell, one[0].operator, one[0].call_id) == ("1", "island", "phones-2")
    assert one[2].at - one[1].at == 1_634_000
    assert one[1].at == 1_149_120_480_000
    with pytest.raises(MessageError, match="talk is -2 s"):
        rows_of(tmp_path, "phones.csv", mapping, head + "49,23,20060601 0008,-2,1,2006-06-01 00:08:00\n")


def test_ftc_gives_a_called_number_in_the_consumers_area_and_keeps_the_caller_as_it_came(tmp_path):
    mapping = mappings.read("ftc")
    head = (
        "Company_Phone_Number,Created_Date,Violation_Date,Consumer_City,Consumer_State,Consumer_Area_Code,Subject,"
        "Recorded_Message_Or_Robocall\n"
    )
    one, two, withheld = rows_of(
        tmp_path,
        "complaints.csv",
        mapping,
        head + "5550100001,2021-07-07 00:01:15,2021-07-06 11:48:00,,California,510,No Subject Provided,\n"
        '5550100001,2021-07-07 00:01:41,2021-07-06 18:17:00,Clinton,Illinois,217,"Warranties, & plans",Y\n'
        ",2021-07-07 00:01:46,2021-07-06 15:25:00,Riverside,California,951,Other,Y\n",
    )
    assert [type(event) for event in one] == [Setup]  # how long it lasted is not told
    assert (one[0].caller, one[0].at, one[0].operator, one[0].ingress) == (
        "5550100001",
        1_625_572_080_000,
        "us",
        "national",
    )
    assert (one[0].callee[:5], two[0].callee[:5], len(two[0].callee)) == ("+1510", "+1217", 12)
    assert one[0].callee[5] in "23456789"
    assert withheld[0].caller == ""
    with pytest.raises(MessageError, match="needs what is empty here: Consumer_Area_Code"):
        rows_of(tmp_path, "complaints.csv", mapping, head + "5550100001,x,2021-07-06 11:48:00,,,,Other,\n")


@pytest.mark.parametrize("name", mappings.shipped())
def test_shipped_mappings_name_their_country_and_other_columns_are_refused(name, tmp_path):
    mapping = mappings.read(name)
    assert mapping.layout.home
    assert mapping.layout.about
    with pytest.raises(ReplayError, match=r"has no column .*; it has a, b"):
        mapping.check(["a", "b"], tmp_path / "x.csv")


# what a mapping can say


def test_templates_put_columns_line_numbers_and_file_names_together(written):
    mapping = written(fields='cell = "{lac}-{ci}"\nimei = "{imei}"\ntrunk = "t"\ncall_id = "{file}/{#}"')
    setup = mapping.events(row(17, "day/calls.csv.gz", lac="1", ci="", imei=" "))[0]
    assert (setup.cell, setup.imei, setup.trunk, setup.call_id) == ("1-", None, "t", "calls/17")
    assert mapping.events(row(lac="", ci="", imei="x"))[0].cell is None
    assert mapping.names_files


def test_words_are_translated_and_an_unknown_one_is_refused(written):
    mapping = written(
        fields='attestation = { from = "{a}", map = { full = "A", partial = "B" } }\n'
        'ingress_country = { from = "{c}", map = { "44" = "GB" }, default = "" }'
    )
    assert mapping.events(row(a="full", c="44"))[0].attestation == "A"
    assert mapping.events(row(a="partial", c="1"))[0].ingress_country is None
    with pytest.raises(MessageError, match="'none', none of full, partial"):
        mapping.events(row(a="none", c=""))


@pytest.mark.parametrize(("of", "before"), [("setup", 0), ("answer", 4_000), ("end", 34_000)])
def test_the_time_may_be_that_of_set_up_answer_or_end(written, of, before):
    mapping = written(times=f'of = "{of}"\nring = "{{r}}"\nring_unit = "ms"\ntalk = "{{t}}"')
    setup, answer, end = mapping.events(row(r="4000", t="30"))
    assert setup.at == 1_763_953_200_000 - before
    assert (answer.at - setup.at, end.at - answer.at) == (4_000, 30_000)


@given(st.integers(0, 2_000_000), st.integers(0, 2_000_000))
def test_what_comes_out_is_valid_on_the_wire_and_in_order(ring_ms, talk_ms):
    mapping = mappings.of_columns(
        {"at": "when", "caller": "from", "callee": "to", "talk": "t"},
        "iso",
        "UTC",
        {"operator": "o", "ingress": "national"},
    )
    events = mapping.events(row(t=str(talk_ms / 1000)))
    assert [decode_call(encode(event)) for event in events] == events
    assert [event.at for event in events] == sorted(event.at for event in events)
    assert len(events) == (3 if talk_ms else 2)


def test_floating_point_changes_no_number_pseudonym_or_cause_and_words_stay_as_they_are(written):
    mapping = written(
        times='talk = "{t}"',
        fields='diverted_from = { from = "{who}", as = "+7701XXXXXXX" }\nimsi = "{sim}"\nimei = "{d}"\ncell = "{who}"\ncall_id = "{who}"',
        rest='[end]\ncause = "{c}"',
    )
    whole = {"t": "60", "who": "15", "c": "16", "from": "77011234567", "sim": "401010000014549", "d": "356938030014549"}
    pointed = {name: f"{value}.0" for name, value in whole.items()} | {"d": f"{whole['d']},0"}
    for same, other in zip(mapping.events(row(**whole)), mapping.events(row(**pointed)), strict=True):
        assert (other.call_id, other.cell) == ("15.0", "15.0")
        assert same == structs.replace(other, call_id="15", cell="15")
    assert mapping.events(row(**whole | {"who": "12e4567"}))[0].diverted_from.startswith("+7701")
    for name, value in (("who", "1.2E+10"), ("sim", "4.0101E+14"), ("from", "7,70113E+10"), ("from", "7e+10")):
        with pytest.raises(UnmappedError, match="has an exponent") as error:
            mapping.events(row(**whole | {name: value}))
        assert error.value.column == name


def test_times_that_an_unanswered_call_lacks_are_none(written):
    mapping = written(times='talk = "{t}"\nring = "{r}"', rest='[end]\ncause = "{c}"')
    unanswered, zero = (mapping.events(row(t=none, r=none, c="19")) for none in ("", "0"))
    assert unanswered == zero
    assert [type(event).__name__ for event in unanswered] == ["Setup", "End"]


@pytest.mark.parametrize(
    ("given_", "message", "column"),
    [
        ({"when": "never"}, "no time of the form iso", "when"),
        ({"when": "1960-01-01"}, "`int` >= 0", "when"),
        ({"to": ""}, "callee", "to"),
        ({"t": "long"}, "talk is no number: 'long'", "t"),
        ({"t": "1e12"}, "talk is 1e12 s", "t"),
        ({"t": "nan"}, "talk is nan s", "t"),
        ({"way": "up"}, "direction 'up' is none of out", "way"),
        ({"lac": "x" * 256}, "call_id", "lac, ci"),
        ({"c": "17a"}, "cause is no whole number", "c, u"),
        ({"a": "D"}, "none of full", "a"),
        ({"who": "them"}, "released_by", "who"),
    ],
)
def test_a_row_that_makes_no_call_says_why_and_by_which_column(written, given_, message, column):
    mapping = written(
        times='talk = "{t}"',
        fields='call_id = "{lac}-{ci}"\nattestation = { from = "{a}", map = { full = "A" } }',
        rest='[direction]\nread = "{way}"\n[direction.values.out]\ntrunk = "t"\n'
        '[end]\ncause = "{c}"\nunanswered_cause = "{u}"\nreleased_by = "{who}"',
    )
    sound = {"t": "1", "way": "out", "lac": "1", "ci": "2", "c": "16", "u": "19", "a": "full", "who": "caller"}
    assert len(mapping.events(row(**sound))) == 3
    with pytest.raises(UnmappedError, match=message) as told:
        mapping.events(row(**(sound | given_)))
    assert told.value.column == column


@pytest.mark.parametrize(
    ("given_", "message"),
    [
        ({"fields": 'caler = "{x}"'}, r"mapping mine, fields: no field of a set-up: \['caler'\]"),
        ({"fields": 'cell = "{x"'}, "unmatched brace in '{x'"),
        ({"fields": 'cell = { from = "{x}" }'}, "a table needs `as` or `map`"),
        ({"fields": 'cell = { from = "{x}", as = "X", map = {} }'}, "a table needs `as` or `map`"),
        ({"times": 'zone = "Mars"'}, "mapping mine: no time zone Mars"),
        ({"times": 'of = "begin"'}, r"Invalid enum value 'begin' - at `\$\.times\.of`"),
        ({"top": 'hom = "KZ"'}, "unknown field `hom`"),
        ({"rest": '[direction]\nread = "{d}"\n[direction.values.out]\ncalee = "x"'}, "direction 'out': no field"),
        (
            {"text": 'about = ""\n[times]\nat = "1"\n[fields]\ncaller = "1"'},
            r"missing: \['callee', 'ingress', 'operator'\]",
        ),
        ({"text": "about ="}, "Invalid value"),
    ],
)
def test_a_wrong_mapping_is_told_with_its_place(written, given_, message):
    with pytest.raises(ReplayError, match=message):
        written(**given_)


def test_an_unknown_mapping_names_those_that_are_shipped():
    with pytest.raises(ReplayError, match=r"no mapping nosuch: .* nor one of ftc, sichuan, vast2008"):
        mappings.read("nosuch")


@pytest.mark.parametrize("top", ["delimiter = " + "9" * 5_000, "delimiter = " + "[" * 5_000], ids=["long", "deep"])
def test_a_mapping_that_cannot_be_taken_in_is_told(written, top):
    with pytest.raises(ReplayError, match=r"mapping .*mine\.toml: "):
        written(top=top)
