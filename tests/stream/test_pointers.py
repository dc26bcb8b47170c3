"""What is committed with an input offset: read as it was written, or refused."""

import pytest

from streamer.errors import StateError
from streamer.stream.pointers import Pointer, read, written


def test_a_pointer_is_read_as_it_was_written():
    pointer = Pointer([(3, 5), (9, 9)], 2**63 - 1)
    assert read(0, written(pointer)) == pointer
    assert read(0, None) is read(0, "") is None


@pytest.mark.parametrize(
    "text",
    ["x", "[]", '{"state":[]}', '{"state":[[3]],"said":0}', '{"state":[[5,3]],"said":0}', '{"state":[[0,9223372036854775808]],"said":0}',
     '{"state":[],"said":-1}', '{"state":[],"said":0,"more":1}', '{"state":' + "[" * 2_000],
)  # fmt: skip
def test_what_no_worker_wrote_is_refused(text):
    with pytest.raises(StateError, match="partition 7"):
        read(7, text)
