"""The table of numbering plans against the library it is made from."""

import random
from collections import Counter

import numpy as np
import phonenumbers
import pytest
from numba import njit
from phonenumbers import PhoneMetadata, PhoneNumberType

from streamer.calls import plan
from streamer.calls.emergency import FURTHER, emergency_numbers
from streamer.calls.numbers import OTHER, SHORT, home_plan, normalise
from streamer.calls.patterns import parse
from streamer.errors import SettingsError

KINDS = {
    PhoneNumberType.UNKNOWN: 0,
    PhoneNumberType.FIXED_LINE: 1,
    PhoneNumberType.MOBILE: 2,
    PhoneNumberType.FIXED_LINE_OR_MOBILE: 3,
    PhoneNumberType.TOLL_FREE: 4,
    PhoneNumberType.PREMIUM_RATE: 5,
    PhoneNumberType.VOIP: 6,
}
SAMPLE = 100_000


def drawn(node, dice):
    """One string that a pattern matches."""
    kind, low, high, parts = node
    if kind == "digit":
        return str(dice.choice([digit for digit in range(10) if low >> digit & 1]))
    if kind == "any":
        return drawn(dice.choice(parts), dice)
    if kind == "times":
        return "".join(drawn(parts[0], dice) for _ in range(dice.randint(low, high)))
    return "".join(drawn(part, dice) for part in parts)


def as_it_stands(code, national):
    """The library's number without the trunk prefix that its `parse` would forgive."""
    zeros = min(len(national) - len(national.lstrip("0")), len(national) - 1)
    return phonenumbers.PhoneNumber(
        country_code=code,
        national_number=int(national),
        italian_leading_zero=True if zeros else None,
        number_of_leading_zeros=zeros if zeros > 1 else None,
    )


def sample():
    """(code, national) pairs over every region and kind: drawn from its pattern, then also altered, cut or lengthened; and random ones."""
    dice = random.Random(20261124)
    patterns = []
    for code, regions in phonenumbers.COUNTRY_CODE_TO_REGION_CODE.items():
        for region in regions:
            metadata = PhoneMetadata.metadata_for_region_or_calling_code(code, region)
            for name in plan._DESCRIPTIONS:
                described = getattr(metadata, name)
                if described is not None and described.national_number_pattern:
                    patterns.append((code, parse(described.national_number_pattern)))
    found = set()
    while len(found) < SAMPLE:
        code, pattern = dice.choice(patterns)
        national = drawn(pattern, dice)
        how = dice.random()
        if how < 0.25:
            at = dice.randrange(len(national))
            national = national[:at] + dice.choice("0123456789") + national[at + 1 :]
        elif how < 0.35:
            national = national[: dice.randrange(len(national))]
        elif how < 0.45:
            national += dice.choice("0123456789")
        elif how < 0.55:
            national = "".join(dice.choices("0123456789", k=dice.randint(4, 14)))
        if national and 7 <= len(f"{code}{national}") <= 15:
            found.add((code, national))
    return sorted(found)


def test_agrees_with_the_library_on_100_000_numbers():
    phonenumbers.re_util.enable_pattern_cache()
    table = plan.number_table(
        "BQ"
    )  # a home country that is not the main one of its code and has no freephone: nothing is added to the library's regions
    seen, regions, wrong = Counter(), set(), []
    for code, national in sample():
        number = as_it_stands(code, national)
        valid = phonenumbers.is_valid_number(number)
        region = phonenumbers.region_code_for_number(number)
        expected = (1 if valid else 2, region, KINDS.get(phonenumbers.number_type(number), 7))
        found = table.classify(int(f"{code}{national}"))
        if found != expected:
            wrong.append((code, national, expected, found))
        seen[valid] += 1
        if valid:
            regions.add((code, region))
    assert not wrong, (len(wrong), wrong[:10])
    assert sum(seen.values()) == SAMPLE
    assert min(seen.values()) > SAMPLE / 5, "both valid and invalid numbers were asked for"
    assert len(regions) > 230, "nearly every region had valid numbers"


def test_every_example_number_is_valid_and_its_regions():
    table = plan.number_table("KZ")
    for region in sorted(phonenumbers.SUPPORTED_REGIONS):
        number = phonenumbers.example_number(region)
        found = table.classify(int(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)[1:]))
        assert found[:2] == (1, phonenumbers.region_code_for_number(number)), region


@pytest.mark.parametrize(
    ("digits", "expected"),
    [
        *(
            (f"7{area}1234567", (1, "KZ", plan.MOBILE))
            for area in (700, 701, 702, 705, 708, 747, 760, 764, 771, 775, 778, 785)
        ),
        *((f"7{area}1234567", (2, "KZ", plan.UNKNOWN)) for area in (703, 704, 709, 750, 772, 774, 779, 600, 699)),
        ("77511234567", (1, "KZ", plan.VOIP)),
        ("77172201234", (1, "KZ", plan.FIXED)),
        ("79161234567", (1, "RU", plan.MOBILE)),
        ("78001234567", (1, "KZ", plan.TOLL_FREE)),
        ("78041234567", (1, "RU", plan.TOLL_FREE)),
        ("75001234567", (2, None, plan.UNKNOWN)),
        ("79991234", (2, "RU", plan.UNKNOWN)),
    ],
)
def test_the_shared_code_seven(digits, expected):
    assert plan.number_table("KZ").classify(int(digits)) == expected


def test_home_is_told_apart_by_more_than_the_code():
    kz, ru = plan.number_table("KZ"), plan.number_table("RU")
    assert kz.regions[kz.table.home] == "KZ"
    assert ru.classify(77011234567) == kz.classify(77011234567)
    assert ru.classify(75001234567) == (2, "RU", 0)
    assert ru.classify(76001234567) == (2, None, 0)


@pytest.mark.parametrize(
    ("digits", "whose"),
    [
        ("18005551234", {"US": "US", "CA": "CA", "KZ": "US"}),
        ("78001234567", {"RU": "RU", "KZ": "KZ", "DE": "RU"}),
        ("78041234567", {"RU": "RU", "KZ": "RU"}),
        ("448001234567", {"GB": "GB", "GG": "GG", "JE": "GB"}),
        ("80012345678", {"KZ": "001", "CA": "001"}),
    ],
)
def test_freephone_numbers_that_home_shares_are_its_own(digits, whose):
    for home, region in whose.items():
        assert plan.number_table(home).classify(int(digits)) == (1, region, plan.TOLL_FREE), home


def test_codes_without_a_country_are_one_region():
    table = plan.number_table("KZ")
    assert table.regions[plan.NO_COUNTRY] == "001"


def test_what_is_no_e164_number():
    table = plan.number_table("KZ")
    assert table.classify(SHORT | 3 << 52 | 112) == (3, None, 0)
    for number in (OTHER, OTHER | 77011234567, 2**63 - 1, 999_999, 0, -1, -77011234567, 10**15, SHORT - 1):
        assert table.classify(number) == (0, None, 0)
    assert table.classify(10**15 - 1)[0] == 2


def test_classify_runs_inside_another_compiled_loop():
    @njit
    def valid_ones(numbers, table):
        found = 0
        for number in numbers:
            status, region, _ = plan.classify(number, table)
            found += status == 1 and region == table.home
        return found

    assert valid_ones(np.array([77011234567, 79161234567, 76011234567, 112]), plan.number_table("KZ").table) == 1


def test_the_cache_is_used_and_a_damaged_one_replaced(tmp_path, monkeypatch):
    first = plan.number_table("KZ", tmp_path).table.nodes
    (file,) = tmp_path.iterdir()
    sound = file.read_bytes()
    for damage in (b"", sound[:1000], b"x" * 2000, sound[:-64] + b"\xff" * 64):
        file.write_bytes(damage)
        assert np.array_equal(plan.number_table("KZ", tmp_path).table.nodes, first)
        assert file.read_bytes() == sound
    monkeypatch.setattr(plan, "_Builder", None)
    assert np.array_equal(plan.number_table("DE", tmp_path).table.nodes, first)


def test_a_folder_that_cannot_be_written_is_done_without(tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("")
    assert plan.number_table("KZ", blocked / "below").classify(77011234567) == (1, "KZ", 2)


def test_emergency_numbers():
    assert emergency_numbers("KZ") == {"101", "102", "103", "112"}
    assert emergency_numbers("GB") >= {"112", "999"}
    assert emergency_numbers("US") >= {"911", "988"}
    assert emergency_numbers("FR") >= {"15", "17", "18", "112", "114", "115", "119", "191", "196", "197", "116000"}
    assert emergency_numbers("ZZ") == frozenset()
    for region in phonenumbers.SUPPORTED_SHORT_REGIONS:
        for number in emergency_numbers(region) - FURTHER.get(region, frozenset()):
            assert phonenumbers.is_emergency_number(number, region), (region, number)


@pytest.mark.parametrize("region", sorted(FURTHER))
def test_what_is_added_to_the_library_is_not_in_it(region):
    assert region in phonenumbers.SUPPORTED_REGIONS
    assert not any(phonenumbers.is_emergency_number(number, region) for number in FURTHER[region])


@pytest.mark.parametrize("region", ["RU", "US", "BR", "JP", "KR", "ID", "CO", "AU", "GB", "KZ"])
def test_what_networks_abroad_write_before_international_numbers_is_read_everywhere(region):
    assert "00" in home_plan(region).international
    assert normalise("0049 30 1234567", home_plan(region)) == "+49301234567"


@pytest.mark.parametrize("region", ["ZZ", "", "kz", "001"])
def test_a_home_without_a_plan_is_refused(region):
    with pytest.raises(SettingsError, match="home"):
        home_plan(region)


@pytest.mark.parametrize("region", sorted(phonenumbers.SUPPORTED_REGIONS))
def test_every_country_can_be_home(region):
    found = home_plan(region)
    assert found.region == region
    assert found.code.isdigit()
    assert found.leading
    assert found.length in found.lengths
    assert list(found.international) == sorted(found.international, key=lambda prefix: (-len(prefix), prefix))
