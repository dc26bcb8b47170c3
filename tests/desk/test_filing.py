"""Cases from their log: what stands, which are meant, and what each record did."""

import msgspec
import pytest

from streamer.calls.cases import Case
from streamer.calls.codec import encode
from streamer.desk import filing
from streamer.errors import DeskError
from streamer.kafka.logs import LogRecord

DAY = 86_400_000
AT = 1_763_953_123_123


def case(subject="imei/35", **more):
    own = {"case": f"{subject}/2025-11-24", "opened_at": AT, "kind": "sim_box", "subject": subject, "operators": ["op-a"], "measure": "watch",
           "status": "open", "calls": 60, "victims": 58, "evidence": ["c1"], "first_at": AT, "last_at": AT}  # fmt: skip
    return Case(**(own | more))


def lie(*cases, of="imei/35/"):
    values = [one if isinstance(one, bytes) else encode(one) for one in cases]
    return filing.filed((LogRecord("cases", 0, n, AT, b"k", value, ()) for n, value in enumerate(values)), of=of)


def test_the_last_word_of_a_case_stands_and_its_records_tell_what_was_done():
    first = case()
    more = msgspec.structs.replace(first, measure="bar_sim", calls=130, operators=["op-a", "op-b"], last_at=AT + 5, revision=1)  # fmt: skip
    closed = msgspec.structs.replace(more, status="closed", by="an", why="barred", changed_at=AT + DAY, revision=2)
    still = msgspec.structs.replace(
        more, last_at=AT + DAY + 5, revision=2
    )  # of a writer who did not know of the closing
    found = lie(first, b"{", more, case("imei/36"), closed, still)
    assert list(found) == [first.case, "imei/36/2025-11-24"]
    one = found[first.case]
    assert (one.case.status, one.case.by, one.case.calls, one.case.last_at) == ("closed", "an", 130, AT + DAY + 5)
    assert one.done == [
        (AT, "open: watch, 60 calls, 58 victims", "", ""),
        (AT + 5, "measure watch -> bar_sim; calls 60 -> 130; operators op-b", "", ""),
        (AT + DAY, "closed", "an", "barred"),
        (AT + DAY + 5, "goes on", "", ""),
    ]
    assert filing.as_json(one)["history"][2]["why"] == "barred"
    assert [made for _, made in one.records] == [first, more, closed, still]
    assert found["imei/36/2025-11-24"] == (case("imei/36"), [], []), "nothing is kept of what was not asked for"
    records = [LogRecord("cases", 0, 0, AT, b"k", encode(first), ())]
    assert filing.filed(records)[first.case] == (first, [], [])
    assert filing.filed(records, told=True)[first.case] == (first, one.done[:1], [])


def test_cases_are_found_by_what_is_asked():
    found = lie(
        case(),
        case("trunk/t", kind="scam_centre", operators=["op-b"], last_at=AT + DAY),
        case("cell/c", status="closed"),
    )

    def meant(**asked):
        return [one.case.subject for one in filing.matching(found.values(), **asked)]

    assert meant() == ["imei/35", "trunk/t", "cell/c"]
    assert meant(kind="scam_centre") == meant(operator="op-b") == meant(since_ms=AT + 1) == ["trunk/t"]
    assert meant(status="closed") == ["cell/c"]
    assert meant(kind="sim_box", operator="op-b") == []


def test_a_case_is_named_by_how_its_id_begins_where_only_one_begins_so():
    found = lie(case(), case("imei/36"), case("trunk/t"), case("trunk/t/2025-11-24"))
    assert filing.named(found, "trunk/t/2025-11-24").case.subject == "trunk/t"  # an id is meant before a beginning
    assert filing.named(found, "imei/36").case.subject == "imei/36"
    for text, says in (("imei", "2 cases begin"), ("sim/1", "there is no case"), ("", "there is no case")):
        with pytest.raises(DeskError, match=says):
            filing.named(found, text)
