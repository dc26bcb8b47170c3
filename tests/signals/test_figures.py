"""From busy lines and signals to cases: SIM boxes by device, cell and holder, trunks and blocks in a campaign."""

import msgspec
import pytest

from streamer.signals.casebook import Casebook
from streamer.signals.figures import figures
from tests.signals.test_merger import NOW, TRUNK, call, line, merger, said, sums


def cases(held):
    """What is on file after all that is to be said was heeded."""
    book, found = Casebook(), {}
    for signal in said(held).values():
        if signal is not None:
            for kind, subject, values, calls, operators in figures(signal, held.lines):
                found |= {case.subject: case for case in book.heed(kind, subject, signal.at, values, calls, operators)}
    return found


def box(held, lines=6, attempts=20):
    for number in range(lines):
        held.take(number, line(number, attempts=attempts))


def test_a_sim_box_is_a_case_of_its_device_with_the_calls_that_show_it():
    held = merger()
    box(held)
    case = cases(held)["imei/350000000000001"]
    assert (case.kind, case.measure, case.status) == ("sim_box", "bar_sim", "open")
    assert (case.calls, case.victims, case.operators) == (120, 120, ["op-a"])
    assert {ground.what for ground in case.grounds} == {"sims", "calls", "victims/calls", "incoming/calls"}
    assert set(case.evidence) == {f"c{number}" for number in range(6)}


def test_a_single_sim_that_calls_as_a_box_does_is_one_too():
    held = merger()
    held.take(0, line(attempts=60))
    assert cases(held)["sim/401010000000000"].measure == "bar_sim"


@pytest.mark.parametrize("why", ["few lines", "called back", "few calls"])
def test_what_is_no_sim_box(why):
    held = merger()
    box(held, lines=4 if why == "few lines" else 6, attempts=8 if why == "few calls" else 20)
    if why == "called back":
        held.take(10, sums(0, NOW, [call(77010000000 + number, 0, 0, 5) for number in range(6)]))
        box(held, attempts=25)
        assert cases(held)["imei/350000000000001"].measure == "watch"
    else:
        assert "imei/350000000000001" not in cases(held)


def test_a_holder_with_more_sims_than_the_law_allows():
    held = merger()
    for number in range(12):
        held.take(number, msgspec.structs.replace(line(number, imei=f"{number}"), holder="h-1", cell=None))
    assert cases(held)["holder/h-1"].measure == "bar_sim"


def test_a_trunk_and_a_block_in_a_campaign():
    held = merger()
    rows = [call(77270000000 + number, 44740012, 1, SUSPECT=1) for number in range(120)]
    held.take(0, sums(0, NOW, rows, [TRUNK]))
    held.take(1, sums(1, NOW, [call(77271111111, 0, 1, 25, NEIGHBOUR=25)]))
    found = cases(held)
    assert found["trunk/op-a/igw-1"].measure == "notify_partner"
    assert found["trunk/op-a/igw-1"].operators == ["op-a"]
    assert found["block/+44740012"].kind == "scam_centre"
