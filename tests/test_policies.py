"""Which policy its topic leaves in force, whatever comes in which order."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.calls.codec import encode
from streamer.calls.decisions import CasePolicy, Policy, PolicyPointer
from streamer.errors import MessageError
from streamer.policies import DEFAULT, Policies

VERSIONS = st.sampled_from(["a", "b", "c"])
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("put"), VERSIONS, st.integers(1, 3)),
        st.tuples(st.just("point"), VERSIONS, st.none()),
        st.tuples(st.just("remove"), VERSIONS, st.none()),
        st.tuples(st.just("reset"), st.none(), st.none()),
        st.tuples(st.just("wrong"), VERSIONS, st.none()),
    ),
    max_size=30,
)


@given(STEPS)
def test_in_force_is_what_is_pointed_to_and_there_else_what_was(steps):
    found, held, wanted, expected = Policies(), {}, None, Policy(version=DEFAULT)
    for what, version, digits in steps:
        before = found.present
        if what == "put":
            held[version] = Policy(version=version, counting={"neighbour_digits": digits})
            found.take(f"policy@{version}", encode(held[version]))
        elif what == "remove":
            held.pop(version, None)
            found.take(f"policy@{version}", None)
        elif what == "wrong":
            with pytest.raises(MessageError):
                found.take(f"policy@{version}", encode(Policy(version=version, cases={"nobody": CasePolicy()})))
        else:
            wanted = version
            found.take("current", None if version is None else encode(PolicyPointer(version=version)))
        if wanted is None:
            expected = Policy(version=DEFAULT)
        elif wanted in held:
            expected = held[wanted]
        assert (found.present, found.wanted) == (expected, wanted)
        assert (found.present is before) == (found.present == before)
        assert all(found.get(one) == held.get(one) for one in "abc")


def test_records_under_other_keys_are_told_and_change_nothing():
    found = Policies()
    before = found.present
    assert "nowhere" in found.take("nowhere", b"{}")
    assert found.take("nowhere", None) is None
    with pytest.raises(MessageError, match="its key is"):
        found.take("policy@b", encode(Policy(version="a")))
    assert found.present is before
