"""Cases counted against the truth: figures of cases and calls that were made by hand, and against counting by brute force."""

from collections import Counter
from math import inf

from hypothesis import given
from hypothesis import strategies as st

from streamer.calls.cases import Case
from streamer.calls.numbers import home_plan
from streamer.lab.evaluation.case_figures import case_figures
from streamer.lab.evaluation.cases import Cases, WrongCase
from streamer.lab.evaluation.filed import Filed
from streamer.lab.truth import Truth
from tests.lab.evaluation.made import fraud, honest, verdict

PLAN = home_plan("KZ")


def cases():
    found = Cases(PLAN)
    found.begin("1", 0)
    return found


def filed(subject, at, *, kind="sim_box", measure="bar_sim", calls=10, lines=(), opened_at=None, status="open"):
    case = Case(
        case=f"{subject}/day", opened_at=at if opened_at is None else opened_at, kind=kind, subject=subject, measure=measure,
        status=status, calls=calls, last_at=at,
    )  # fmt: skip
    return Filed(at, case, lines)


def sim(number):
    return f"+7701000000{number}"


def own(number, who, **more):
    return verdict(number, caller=sim(who), origin="own_line", trunk=None, **more)


def of(found, name):
    return next(one for one in case_figures(found).frauds if one.adversary == name)


def test_a_sim_box_is_measured_by_the_calls_of_each_sim_until_its_device_is_to_be_barred():
    found = cases()
    for number in range(90):
        if number == 30:
            found.file(filed("imei/35", 1000 * number, measure="watch", lines=[sim(0), sim(1)]))
        if number == 60:
            found.file(filed("imei/35", 1000 * number, lines=[sim(0), sim(1)]))
        found.add(fraud("sim_box"), own(number, number % 2))
    for number in range(90, 155):
        found.add(fraud("sim_box"), own(number, 2))
    one = of(found, "sim_box")
    assert (one.campaigns, one.with_case, one.watched) == (3, 2, 2)
    assert (one.first_calls, one.standing, one.seen_as) == ((30.0, inf), "met", {"sim_box": 4})
    assert dict(case_figures(found).opened) == {("sim_box", "bar_sim"): 1, ("sim_box", "watch"): 1}


def test_a_case_of_a_trunk_is_about_whoever_called_over_it_lately():
    found = cases()
    for number in range(60):
        found.add(fraud("number_rotation"), verdict(number))
    found.file(filed("trunk/op-a/igw", 70_000, kind="number_rotation", measure="notify_partner", calls=100))
    found.file(filed("trunk/op-a/other", 70_000, kind="number_rotation", measure="notify_partner", calls=100))
    found.file(filed("trunk/op-a/igw2", 70_000, kind="number_rotation", measure="watch", calls=100))
    for number in range(70, 80):
        found.add(honest("taxi"), verdict(number, trunk="other"))
    one = of(found, "number_rotation")
    assert (one.campaigns, one.with_case, one.first_calls) == (1, 1, (60.0, 60.0))
    wrong = case_figures(found).wrong
    assert wrong == {
        WrongCase("trunk", "number_rotation", "notify_partner", "unknown"): 1,
        WrongCase("trunk", "number_rotation", "watch", "unknown"): 1,
    }


def test_too_few_fraudulent_calls_or_too_long_ago_make_no_case_right():
    for kind, calls, at, right in (("robocall", 50, 10_000, 1), ("robocall", 51, 10_000, 0), ("scam_centre", 999, 10_000, 1),
                                   ("robocall", 50, 710_000, 0), ("scam_centre", 50, 710_000, 0)):  # fmt: skip
        found = cases()
        for number in range(5):
            found.add(fraud("scam_centre"), verdict(number))
        found.add(honest("shop"), verdict(5))
        found.file(filed("trunk/op-a/igw", at, kind=kind, measure="notify_partner", calls=calls))
        assert of(found, "scam_centre").with_case == right
        assert sum(case_figures(found).wrong.values()) == 1 - right


def test_a_case_of_a_trunk_is_about_no_campaign_that_is_a_small_part_of_it():
    found = cases()
    for number in range(60):
        found.add(fraud("robocall" if number % 3 else "number_rotation"), verdict(number))
        found.add(fraud("wangiri", f"{number}"), verdict(number))
    found.file(filed("trunk/op-a/igw", 60_000, kind="number_rotation", measure="notify_partner", calls=400))
    assert {name: of(found, name).watched for name in ("robocall", "number_rotation")} == {
        "robocall": 1,
        "number_rotation": 1,
    }
    assert "wangiri" not in {one.fraud for one in case_figures(found).frauds}
    found.file(filed("trunk/op-a/igw", 60_000, kind="tdos", measure="bar_sim", calls=1_000))
    assert of(found, "robocall").seen_as == {"number_rotation": 1}
    assert case_figures(found).wrong == {}


def test_a_case_of_a_range_is_about_whoever_called_from_it_as_its_lines_do():
    found = cases()
    for number in range(60):
        found.add(fraud("scam_centre"), verdict(number, caller=f"+7727255{number:04d}"))
        found.add(honest("contact_centre"), verdict(number, caller=f"+7727255{number:04d}", trunk="other"))
        found.add(honest("newcomer"), own(number, 5))
    for subject in ("op-a/igw/+7727255", "op-a/other/+7727255", sim(5)[:-4]):
        found.file(filed(f"campaign/{subject}", 60_000, kind="scam_centre", measure="notify_partner", calls=60))
    one = of(found, "scam_centre")
    assert (one.campaigns, one.with_case, one.first_calls) == (1, 1, (60.0, 60.0))
    assert case_figures(found).wrong == {
        WrongCase("campaign", "scam_centre", "notify_partner", "contact_centre"): 1,
        WrongCase("campaign", "scam_centre", "notify_partner", "newcomer"): 1,
    }


def test_wrong_cases_are_told_by_the_kind_of_most_of_their_lines_or_calls():
    found = cases()
    for number in range(9):
        found.add(honest("courier" if number % 3 else "taxi"), own(number, number % 3))
        found.add(honest("reseller"), verdict(number, caller="+447400123456"))
    found.add(honest("victim"), own(9, 9))
    found.add(fraud("sim_box"), own(10, 5))
    lines = [sim(0), sim(1), sim(2)]
    found.file(filed("imei/1", 11_000, lines=[*lines, sim(5)]))
    found.file(filed("block/+447400123", 11_000, kind="robocall", measure="notify_partner"))
    found.file(filed(f"callee/{sim(9)}", 11_000, kind="tdos", measure="alert_bank"))
    found.file(filed("imei/2", 11_000, lines=lines, status="closed"))
    found.file(filed("imei/1", 12_000, lines=lines))
    assert case_figures(found).wrong == {
        WrongCase("block", "robocall", "notify_partner", "reseller"): 1,
        WrongCase("callee", "tdos", "alert_bank", "victim"): 1,
        WrongCase("imei", "sim_box", "bar_sim", "courier"): 1,
    }


def test_a_called_number_is_the_same_however_it_is_spelled():
    found = cases()
    for number in range(60):
        found.add(fraud("tdos"), verdict(number, callee="8 727 234 56 78"))
    found.file(filed("callee/+77272345678", 60_000, kind="tdos", measure="alert_bank", calls=50))
    assert of(found, "tdos").with_case == 1


def test_cases_that_are_opened_while_windows_fill_are_not_counted_and_runs_are_apart():
    found = Cases(PLAN)
    for run in ("1", "2"):
        found.begin(run, 5_000)
        found.add(honest("courier"), own(1, 1))
        found.file(filed("imei/1", 2_000, lines=[sim(1)]))
        found.file(filed("imei/2", 6_000, lines=[sim(1)]))
    assert case_figures(found).wrong == {WrongCase("imei", "sim_box", "bar_sim", "courier"): 2}
    assert case_figures(found).opened == {("sim_box", "bar_sim"): 2}


def test_a_right_case_that_was_opened_while_windows_filled_is_its_campaigns_all_the_same():
    found = cases()
    found.begin("2", 50_000)
    for number in range(60):
        if number == 30:
            found.file(filed("imei/35", 1000 * number, measure="watch", lines=[sim(0)]))
        if number == 55:
            found.file(filed("imei/35", 1000 * number, lines=[sim(0)], opened_at=30_000))
        found.add(fraud("sim_box"), own(number, 0))
    one = of(found, "sim_box")
    assert (one.with_case, one.watched, one.first_calls) == (1, 1, (55.0, 55.0))
    assert case_figures(found).opened == {}


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("call"), st.integers(0, 5), st.integers(0, 3)),
        st.tuples(st.just("case"), st.sampled_from(["watch", "bar_sim"]), st.sets(st.integers(0, 5), min_size=1, max_size=4)),
    ),
    max_size=60,
)  # fmt: skip


@given(STEPS)
def test_calls_until_the_case_are_those_that_came_before_it(steps):
    """SIMs 0 to 3 are a box's, 4 and 5 a courier's; each device named by its SIMs."""
    found, made, first, watched, wrong, told = cases(), Counter(), {}, set(), 0, set()
    for at, (what, which, more) in enumerate(steps):
        if what == "call":
            truth = fraud("sim_box") if which < 4 else Truth("x", None, None, "courier")
            found.add(truth, own(at, which))
            made[which] += 1
            continue
        subject = "imei/" + "".join(map(str, sorted(more)))
        found.file(filed(subject, 1000 * at, measure=which, lines=[sim(one) for one in more]))
        if (subject, "bar_sim") in told or (subject, which) in told:
            continue
        told.add((subject, which))
        box = {one for one in more if one < 4 and made[one]}
        if 2 * len(box) < len(more):
            wrong += 1
            continue
        watched |= box
        if which == "bar_sim":
            first |= {one: made[one] for one in box if one not in first}
    figures = case_figures(found)
    assert sum(figures.wrong.values()) == wrong
    if watched:
        one = of(found, "sim_box")
        assert (one.campaigns, one.with_case) == (len(watched), len(first))
        expected = sorted([*map(float, first.values()), *[inf] * (len(watched) - len(first))])
        assert one.first_calls == (expected[len(expected) // 2] if len(expected) % 2 else sum(expected[len(expected) // 2 - 1 : len(expected) // 2 + 1]) / 2,
                                   expected[min(len(expected) - 1, int(0.9 * len(expected)))])  # fmt: skip
