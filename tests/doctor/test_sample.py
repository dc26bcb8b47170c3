"""A publisher's sample: whatever the bytes, each line is judged as a worker would, and each flaw is named."""

import json
import subprocess
import sys

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.calls.codec import MAX_BYTES, decode_call
from streamer.calls.numbers import caller_key, home_plan
from streamer.commands import main
from streamer.doctor import book, values
from streamer.doctor.sample import Sample
from streamer.errors import MessageError

PLAN = home_plan("KZ")
NOW = 1_763_953_200_000
SETUP = {"type": "setup", "call_id": "c1", "at": NOW - 60_000, "operator": "op-a", "caller": "+77011234567",
         "callee": "+77272345678", "ingress": "national"}  # fmt: skip
ANSWER = {name: SETUP[name] for name in ("call_id", "operator", "caller", "callee")} | {
    "type": "answer", "at": NOW - 50_000, "ring_ms": 9_000}  # fmt: skip
END = ANSWER | {"type": "end", "at": NOW - 20_000, "talk_ms": 30_000}


def judged(*lines, separator=None):
    """The flaws of lines, and the sample."""
    sample = Sample(PLAN, NOW, separator)
    placed = []
    for number, line in enumerate(lines, 1):
        placed += sample.take(number, line if isinstance(line, bytes) else orjson.dumps(line))
    return placed, sample


def reasons(*lines, separator=None):
    return [(placed.line, placed.flaw.field, placed.flaw.reason) for placed in judged(*lines, separator=separator)[0]]


def state(sample, check):
    return next((finding.state for finding in sample.findings() if finding.check == check), None)


def test_a_sound_call_has_no_flaw():
    placed, sample = judged(SETUP, ANSWER, END)
    assert placed == []
    assert [finding.state for finding in sample.findings()] == ["ok", "ok"]
    assert "1 of 1 (100 %) calls have their end" in sample.findings()[-1].text


def test_every_wrong_field_of_a_line_is_named_not_only_the_first():
    wrong = SETUP | {"call_id": "", "at": "2025-11-24T03:00:00Z", "caller": 77011234567, "ingress": "abroad"}
    placed, _ = judged(wrong)
    assert [(one.flaw.field, one.flaw.reason) for one in placed] == [
        ("call_id", "out_of_range"),
        ("at", "wrong_type"),
        ("caller", "wrong_type"),
        ("ingress", "unknown_value"),
    ]
    assert "1763953200000" in placed[1].flaw.mend, "the moment it means, as a number"
    assert all(one.flaw.mend for one in placed)


@pytest.mark.parametrize("name", ["type", "call_id", "at", "operator", "caller", "callee", "ingress"])
def test_a_missing_field_is_named(name):
    given_fields = {key: value for key, value in SETUP.items() if key != name}
    assert (1, name, "missing_field") in reasons(given_fields)


def test_a_misspelt_field_is_recognised():
    (placed,), _ = judged({("callId" if key == "call_id" else key): value for key, value in SETUP.items()})
    assert placed.flaw.mend == "rename 'callId'"
    (placed,), _ = judged(SETUP | {"Trunk-": "t", "x_vendor": 1})
    assert (placed.flaw.reason, placed.flaw.mend, placed.flaw.grave) == ("ignored_field", "did you mean trunk?", False)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (b"\xef\xbb\xbf" + orjson.dumps(SETUP), "without BOM"),
        (orjson.dumps(SETUP).decode().encode("utf-16"), "write UTF-8"),
        (b"[" + orjson.dumps(SETUP) + b"]", "not an array"),
        (repr(SETUP).encode(), "double quotes"),
        (orjson.dumps(SETUP)[:-20], "one whole object"),
        (orjson.dumps(SETUP) * 2, "one object a record"),
        (orjson.dumps(SETUP | {"trunk": "é"}, option=0).decode().encode("latin-1"), "code page"),
        (orjson.dumps(SETUP | {"identity": "x" * MAX_BYTES}), "leave out what is large"),
    ],
)  # fmt: skip
def test_what_is_no_json_says_what_it_looks_like(line, words):
    placed, sample = judged(line)
    assert words in placed[0].flaw.mend
    assert state(sample, "records") == "failed"


def test_a_byte_order_mark_does_not_hide_the_rest_of_its_line():
    assert reasons(b"\xef\xbb\xbf" + orjson.dumps(SETUP | {"ingress": "x"})) == [
        (1, "", "bom"),
        (1, "ingress", "unknown_value"),
    ]


@pytest.mark.parametrize(
    ("lines", "flaw"),
    [
        ((SETUP | {"at": NOW // 1000},), (1, "at", "out_of_range")),
        ((SETUP | {"at": NOW + 6 * 3_600_000},), (1, "at", "future")),
        ((SETUP, SETUP | {"callee": "112"}), (2, "call_id", "duplicate_id")),
        ((SETUP, END | {"call_id": "c2"}), (2, "call_id", "no_setup")),
        ((END, SETUP), (2, "", "out_of_order")),
        ((SETUP, END | {"at": NOW - 61_000}), (2, "at", "out_of_order")),
        ((SETUP, END | {"caller": "+77011234568"}), (2, "caller", "other_caller")),
        ((SETUP, END | {"callee": "112"}), (2, "callee", "other_callee")),
        ((SETUP, END | {"talk_ms": 300_000}), (2, "talk_ms", "too_long")),
        ((SETUP, ANSWER, END | {"talk_ms": 0}), (3, "talk_ms", "no_talk")),
        ((SETUP, ANSWER, END | {"talk_ms": 30}), (3, "talk_ms", "seconds")),
        ((SETUP | {"callee": "sip:bob"},), (1, "callee", "unnormalised")),
    ],
)
def test_what_does_not_fit_is_found(lines, flaw):
    assert flaw in reasons(*lines)


def test_an_id_that_two_calls_have_is_an_oddity_and_each_has_its_own_answer_and_end():
    """Workers know a call by its numbers too, and callers may choose ids: the second is judged by itself."""
    other = SETUP | {"caller": "+77030000001", "callee": "112", "at": SETUP["at"] + 200}
    of_other = {"caller": "+77030000001", "callee": "112"}
    lines = (SETUP, other, ANSWER, END | of_other | {"talk_ms": 0}, END, other)
    placed, sample = judged(*lines)
    (found,) = placed
    assert (found.line, found.flaw.reason, found.flaw.grave) == (2, "duplicate_id", False)
    assert "with other numbers" in found.flaw.text
    assert (state(sample, "records"), state(sample, "oddities"), state(sample, "calls")) == ("ok", "warning", "ok")
    assert "2 of 2 (100 %) calls have their end, 1 set-ups came again" in sample.findings()[-1].text
    assert reasons(SETUP, other, END | {"caller": "+77011234599"})[-1] == (3, "caller", "other_caller")


def test_calls_that_are_forgotten_are_forgotten_whole():
    held = book.Book(PLAN, most=3)
    for number in range(20):
        for called in ("112", "+77272345678"):
            held.take(
                decode_call(
                    orjson.dumps(
                        SETUP | {"call_id": f"c{number // 4}", "caller": f"+7701{number:07d}", "callee": called}
                    )
                )
            )
        assert len(held._calls) <= 3
        assert {place[:2] for place in held._calls} == held._last.keys()
        assert set(held._last.values()) <= held._calls.keys()


def test_a_withheld_caller_has_to_keep_his_asserted_number():
    hidden = {"caller": "anonymous", "asserted": "+77011234567"}
    assert reasons(SETUP | hidden, END | hidden) == []
    assert reasons(SETUP | hidden, END | {"caller": "anonymous"}) == [(2, "asserted", "other_caller")]


def test_a_retry_is_no_flaw_and_an_id_may_be_used_again_later():
    later = SETUP | {"at": SETUP["at"] - 200_000}
    assert reasons(later | {"callee": "112"}, SETUP, SETUP | {"at": SETUP["at"] + 500}) == []


def test_a_sample_is_cut_out_of_a_stream():
    """What began before it may lack its set-up, and an id may have been another call's before."""
    began_before = END | {"talk_ms": 600_000}
    assert reasons(SETUP | {"call_id": "c2"}, began_before) == []
    assert reasons(END | {"at": NOW - 500_000}, SETUP) == []


def test_keys_are_judged_where_they_are_given():
    value = orjson.dumps(SETUP | {"caller": "87011234567"})
    assert reasons(b"+77011234567|" + value, separator="|") == []
    assert reasons(b"87011234567|" + value, separator="|") == [(1, "key", "wrong_key")]
    assert reasons(b"|" + value, separator="|") == reasons(value, separator="|") == [(1, "key", "no_key")]
    hidden = SETUP | {"caller": "anonymous"}
    assert reasons(b"withheld:+77272345678:" + orjson.dumps(hidden), separator=":") == [], "a key may have it in it"


# -- hostile input --------------------------------------------------------------------------------------------

scalars = st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=80)
json_values = scalars | st.lists(scalars, max_size=2) | st.dictionaries(st.text(max_size=8), scalars, max_size=2)
messages = st.builds(
    lambda begun, changed, dropped: {name: value for name, value in (begun | changed).items() if name not in dropped},
    st.sampled_from([SETUP, ANSWER, END]),
    st.dictionaries(st.sampled_from([*SETUP, *END, "asserted", "cause", "x"]), json_values, max_size=4),
    st.sets(st.sampled_from([*SETUP]), max_size=2),
)


def encoded(message):
    return json.dumps(message, default=str).encode("utf-8", "surrogatepass")


lines = (
    st.binary(max_size=200)
    | messages.map(encoded)
    | st.binary(min_size=1, max_size=4).map(lambda name: encoded(SETUP).replace(b"{", b'{"%s":1,' % name, 1))
    | st.integers(0, 200).map(lambda length: orjson.dumps(SETUP)[:length])
)


@given(st.lists(lines, max_size=5), st.sampled_from([None, "|", ":", "\t"]))
def test_whatever_the_bytes_a_line_is_refused_exactly_when_a_worker_would(content, separator):
    sample = Sample(PLAN, NOW, separator)
    refused = 0
    for number, line in enumerate(content, 1):
        placed = sample.take(number, line)
        _, value = sample._parted(line.removeprefix(values.BOM) if number == 1 else line)
        try:
            decode_call(value)
        except MessageError:
            refused += 1
            assert any(one.flaw.grave for one in placed), "what is refused has a reason"
        assert {one.line for one in placed} <= {number}
        assert all(one.flaw.text for one in placed)
    assert sample.refused == refused
    failed = any(finding.state == "failed" for finding in sample.findings())
    assert failed >= bool(sample.flawed)


@given(messages.map(encoded))
def test_each_field_named_is_a_field_that_mends_it(line):
    """Every flaw with a field of a refused record names a field without whose mending the record stays refused."""
    event, flaws = values.judge(line)
    named = {flaw.field for flaw in flaws if flaw.grave} - {""}
    if event is not None or not named:
        return
    found = orjson.loads(line)
    kind = found.get("type") if found.get("type") in ("setup", "answer", "end") else "answer"
    sound = {"setup": SETUP, "answer": ANSWER, "end": END | {"cause": 16, "released_by": "callee"}}[kind]
    for name in named:
        found[name] = sound.get(name)
    decode_call(orjson.dumps(found))


def run(*arguments):
    with pytest.raises(SystemExit) as ended:
        main(["doctor", *map(str, arguments)])
    return ended.value.code or 0


def test_the_command_on_a_file_of_every_evil(tmp_path, capsys):
    file = tmp_path / "sample.jsonl"
    file.write_bytes(
        b"\xef\xbb\xbf" + orjson.dumps(SETUP) + b"\r\n\r\n\n" + orjson.dumps(ANSWER) + b"\r\n"
        + b"\x00\x1b[31m\xff\xfe\n" + b"x" * 3_000_000 + b"\n" + orjson.dumps(END | {"operator": "\x1b[2J"})
    )  # fmt: skip
    assert run(file) == 1
    told = capsys.readouterr().out
    assert "line 1: the file begins with a byte order mark" in told
    assert "line 4: " not in told, "blank lines and CRLF are nothing to speak of, and are counted as lines"
    assert "line 5: it is UTF-16 or binary" in told
    assert "line 6: a line of more than 262,144 bytes" in told
    assert "line 7: the end of 'c1' has no set-up before it" in told
    assert "\x1b" not in told
    assert "3 of 5 (60 %) lines break the contract" in told
    assert run(file, "--json") == 1
    found = orjson.loads(capsys.readouterr().out)
    assert (found["sound"], found["lines"], found["flaws_not_shown"]) == (False, 5, 0)
    assert [flaw["line"] for flaw in found["flaws"]] == [1, 5, 6, 7]


def test_the_command_on_sound_files_and_empty_ones(tmp_path, capsys):
    file = tmp_path / "sample"
    file.write_bytes(b"\n".join(map(orjson.dumps, (SETUP, ANSWER, END))))
    assert run(file) == 0
    key = caller_key(SETUP["caller"], None, SETUP["callee"], PLAN).encode()
    file.write_bytes(b"\n".join(key + b"\t" + orjson.dumps(one) for one in (SETUP, ANSWER, END)))
    assert run(file, "--key-separator", r"\t") == 0
    assert run(file) == 1
    file.write_bytes(b"\n \r\n")
    assert run(file) == 1
    assert "nothing is in the file" in capsys.readouterr().out
    file.write_bytes(orjson.dumps(SETUP))
    assert run(file) == 0
    assert run(file, "--strict") == 1
    assert "no call ends" in capsys.readouterr().out
    assert run(tmp_path / "nosuch") == 1
    assert "cannot be read" in capsys.readouterr().err


def test_no_more_is_shown_than_asked_for(tmp_path, capsys):
    file = tmp_path / "sample"
    file.write_bytes(b"x\n" * 500)
    assert run(file, "--limit", "3") == 1
    told = capsys.readouterr().out
    assert told.count("\nline ") + told.startswith("line ") == 3
    assert "… and 497 more" in told


def test_a_sample_comes_through_a_pipe_as_kcat_gives_it():
    line = b"+77011234567|" + orjson.dumps(SETUP)
    command = [sys.executable, "-m", "streamer", "doctor", "/dev/stdin", "--key-separator", "|"]
    done = subprocess.run(command, input=line + b"\n", capture_output=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"1 lines are as the contract asks" in done.stdout
