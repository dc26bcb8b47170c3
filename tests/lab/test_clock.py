"""Times of files: ISO, seconds, milliseconds and patterns, in any zone; what is no time is refused by name."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.errors import MessageError, ReplayError
from streamer.lab.clock import instant

MOMENTS = st.integers(0, 4_000_000_000_000).map(lambda ms: datetime.fromtimestamp(ms / 1000, UTC).replace(tzinfo=None))


@given(MOMENTS, st.integers(-14 * 60, 14 * 60))
def test_a_time_is_read_in_the_zone_of_the_mapping_unless_it_says_its_own(at, minutes):
    zone = timezone(timedelta(minutes=minutes))
    sign, rest = "+-"[minutes < 0], abs(minutes)
    name = f"{sign}{rest // 60:02d}:{rest % 60:02d}"
    wanted = round(at.replace(tzinfo=zone).timestamp() * 1000)
    assert instant("iso", name, "m")(at.isoformat(" ")) == wanted
    assert instant("iso", "Asia/Almaty", "m")(at.replace(tzinfo=zone).isoformat()) == wanted
    assert instant("%d.%m.%Y %H:%M:%S.%f", name, "m")(at.strftime("%d.%m.%Y %H:%M:%S.%f")) == wanted


@given(st.integers(0, 4_000_000_000_000))
def test_counts_of_seconds_and_of_milliseconds(at_ms):
    assert instant("ms", "UTC", "m")(str(at_ms)) == at_ms
    assert instant("s", "UTC", "m")(f"{at_ms / 1000:.3f}") == at_ms


def test_summer_time_is_the_zones_own():
    read = instant("iso", "Europe/Berlin", "m")
    assert read("2025-07-01 12:00") == int(datetime(2025, 7, 1, 10, tzinfo=UTC).timestamp() * 1000)
    assert read("2025-01-01 12:00") == int(datetime(2025, 1, 1, 11, tzinfo=UTC).timestamp() * 1000)


@pytest.mark.parametrize(
    ("form", "text"),
    [("iso", "yesterday"), ("iso", ""), ("s", "12:00"), ("s", "inf"), ("ms", "nan"), ("%d.%m.%Y", "2025-01-01")],
)
def test_what_is_no_time_is_refused(form, text):
    with pytest.raises(MessageError, match="no time") as refused:
        instant(form, "UTC", "m")(text)
    assert refused.value.reason == "wrong_type"


def test_a_time_that_a_spreadsheet_shortened_is_none():
    for form in ("s", "ms"):
        with pytest.raises(MessageError, match="exponent"):
            instant(form, "UTC", "m")("1.76395E+12")


@pytest.mark.parametrize("zone", ["Mars/Olympus", "../etc", "+25:00", ""])
def test_an_unknown_zone_is_told_with_the_mapping(zone):
    with pytest.raises(ReplayError, match="mapping m: no time zone"):
        instant("iso", zone, "m")
