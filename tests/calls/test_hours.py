"""What time it is in a country."""

import phonenumbers
import pytest

from streamer.calls.hours import ahead_of_utc_ms
from streamer.engine import Engine
from streamer.settings import load


@pytest.mark.parametrize(
    ("region", "zone", "hours"),
    [
        ("KZ", None, 5), ("RU", None, 3), ("US", None, -5), ("CA", None, -5), ("BR", None, -3), ("AU", None, 10), ("MX", None, -6),
        ("ID", None, 7), ("CL", None, -4), ("MA", None, 1), ("DE", None, 1), ("GB", None, 0), ("IN", None, 5.5),
        ("RU", "Asia/Vladivostok", 10), ("IE", "Europe/Dublin", 0), ("NZ", "Pacific/Chatham", 12.75), ("KZ", "UTC", 0),
    ],
)  # fmt: skip
def test_standard_time_of_the_capital_or_of_the_zone_that_is_set(region, zone, hours):
    assert ahead_of_utc_ms(region, zone) == hours * 3_600_000


def test_every_country_has_a_time():
    assert all(abs(ahead_of_utc_ms(region)) <= 14 * 3_600_000 for region in phonenumbers.SUPPORTED_REGIONS)


@pytest.mark.parametrize(("home", "ahead_h"), [(None, 10), ("RU", 10), ("KZ", 5)])
def test_the_zone_of_the_settings_is_that_of_their_home_country(home, ahead_h):
    settings = load(home="RU", timezone="Asia/Vladivostok", max_callers=1_000, max_calls=1_000)
    engine = Engine.of(settings, home=home)
    assert engine._surroundings.at(0).constants[4] == ahead_h * 3_600_000
