"""Truth files: what is in them counts, and half-read ones are refused."""

import gzip

import pytest

from streamer.errors import ReplayError
from streamer.lab.evaluation import truths
from streamer.lab.truth import Truth


def test_a_truth_file_packed_or_not(tmp_path):
    text = b'{"call_id":"a","fraud":"irsf","campaign":"irsf.1"}\n\n{"call_id":"b","fraud":null,"kind":"taxi"}\n{"call_id":"b","fraud":null,"campaign":null,"kind":"taxi"}\n'
    (tmp_path / "truth.jsonl").write_bytes(text)
    (tmp_path / "truth.jsonl.gz").write_bytes(gzip.compress(text))
    expected = {"a": Truth("a", "irsf", "irsf.1"), "b": Truth("b", None, None, "taxi")}
    assert truths.read(tmp_path / "truth.jsonl") == truths.read(tmp_path / "truth.jsonl.gz") == expected


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (b'{"call_id":"a","fraud":"wangri"}\n', "line 1: Invalid enum value 'wangri'"),
        (b'{"call_id":"a","fraud":null}\n{"fraud":"irsf"}\n', "line 2: Object missing required field `call_id`"),
        (
            b'{"call_id":"a","fraud":null}\n{"call_id":"b"}\n',
            "line 2: Object missing required field `fraud`; a line has `call_id` and `fraud`",
        ),
        (
            b'{"call_id":"a","fraud_type":"irsf"}\n',
            "line 1: Object contains unknown field `fraud_type`; a line has `call_id` and `fraud`",
        ),
        (b'{"call_id":"a","fraud":null,"label":"irsf"}\n', "line 1: Object contains unknown field `label`"),
        (b'{"call_id":"a","fraud":null}\nnot JSON\n', "line 2"),
        (b'{"call_id":"a","fraud":"irsf"}\n{"call_id":"a","fraud":null}\n', "line 2: another truth of call a"),
        (b"\n", "holds no truth"),
    ],
)
def test_what_is_no_truth_is_told_with_its_line(tmp_path, text, says):
    path = tmp_path / "truth.jsonl"
    path.write_bytes(text)
    with pytest.raises(ReplayError) as error:
        truths.read(path)
    assert says in str(error.value)
    assert str(path) in str(error.value)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(ReplayError, match="cannot be read"):
        truths.read(tmp_path / "none.jsonl")
