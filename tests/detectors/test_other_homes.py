"""What calling and called numbers lead to where home is another country, and numbers come as networks abroad write them."""

import functools

import orjson
import pytest

from streamer.calls.numbers import caller_key, home_plan
from streamer.calls.partitioner import partition_of
from streamer.engine import Engine
from streamer.records import Batch
from tests.test_engine import NOW, PARTITIONS, setup

CALLED = {
    "BR": "+551133334444",
    "DE": "+493012345678",
    "FR": "+33123456789",
    "GB": "+442079460018",
    "IN": "+911123456789",
    "IT": "+390612345678",
    "KZ": "+77272345678",
    "NO": "+4721234567",
    "RU": "+74951234567",
    "US": "+12125550123",
}
GUEST = "+4917012345678"


class Home:
    """An engine at home in a country, that all tests of it share; each works with numbers of its own."""

    def __init__(self, region):
        self.plan = home_plan(region)
        self.called = CALLED[region]
        self.held = Engine(home=region, partitions=PARTITIONS, max_callers=1_000)
        self.calls = 0

    def enter(self, name, number, side="caller", match="exact"):
        entry = {"list": name, "match": match, "number": number, "side": side}
        self.held.apply("lists", f"{name}/{match}/{side}//{number}", orjson.dumps(entry))

    def at_home(self, number):
        """The operator of a number publishes where its lines are, and that this one is at home."""
        told = {"operator": "op-a", "ranges": [f"+{self.plan.code}"], "publishes_locations": True}
        self.held.apply("operators", "op-a", orjson.dumps(told))
        fact = {"number": number, "at": NOW - 1_000, "fact": "location", "value": "home", "operator": "op-a"}
        self.held.apply("subscribers.location", number, orjson.dumps(fact))

    def say(self, caller, callee=None, **more):
        self.calls += 1
        message = setup(f"c{self.calls}", caller, callee or self.called, NOW + 1_000 * self.calls, **more)
        key = caller_key(caller, None, message["callee"], self.plan)
        came = Batch([partition_of(key.encode(), PARTITIONS)], [0], [message["at"]], [orjson.dumps(message)], [False])
        (decision,) = (orjson.loads(value) for _, _, value in self.held.process(came, message["at"]).decisions)
        return decision["action"], decision["reasons"]

    def from_abroad(self, caller, callee=None, **more):
        return self.say(caller, callee, ingress="international", ingress_country="SG", **more)


@functools.cache
def home(region):
    return Home(region)


@pytest.mark.parametrize(
    ("region", "called"),
    [
        ("DE", '"112" <sip:112@ims.de>'),
        ("DE", "Notruf <sip:112@ims.de;user=phone>"),
        ("DE", "Emergency <urn:service:sos>"),
        ("DE", '"a \\"<b" <urn:service:sos.police>;tag=1'),
        ("DE", "Notruf\t< tel:110 >"),
        ("DE", "sip:%2B49112@ims.de"),
        ("FR", "114"),
        ("FR", "+33116000"),
        ("GB", "18000"),
        ("IT", "1530"),
        ("BR", "191"),
        ("RU", "104"),
        ("US", "Lifeline <tel:988>"),
    ],
)
def test_calls_for_help_pass_with_a_display_name_and_to_what_the_library_does_not_know(region, called):
    home(region).enter("block", "blocked-line")
    assert home(region).say("blocked-line")[0] == "block"
    assert home(region).say("blocked-line", called) == ("allow", [])


@pytest.mark.parametrize(
    "called", ['"112" <sip:+4930999999@x>', "112 <tel:1120>", '"<112>"', "1<112", '"urn:service:sos" <tel:1>']
)
def test_a_display_name_alone_is_no_call_for_help(called):
    home("DE").enter("block", "blocked-line")
    assert home("DE").say("blocked-line", called)[0] == "block"


@pytest.mark.parametrize(
    "caller", ['"Bank" <sip:+491701112222@ims.de>', "<tel:01701112222>;tag=1", "sip:%2b491701112222@ims.de;user=phone"]
)
def test_a_line_is_the_same_under_a_display_name(caller):
    home("DE").enter("block", "+491701112222")
    assert home("DE").say(caller) == ("block", ["list.block"])


@pytest.mark.parametrize(
    ("region", "caller"),
    [
        ("KZ", "6591234567"),
        ("DE", "33123456789"),
        ("US", "4791234567"),
        ("BR", "34912345678"),
        ("IN", "6591234567"),
        ("GB", "3545812345"),
        ("IT", "4791234567"),
        ("RU", "3545812345"),
    ],
)
def test_a_foreign_number_without_its_plus_is_labelled_at_most(region, caller):
    read_as = f"+{home(region).plan.code}{caller}"
    home(region).at_home(read_as)
    assert home(region).from_abroad(caller) == ("label", ["cli_spoofing.ambiguous"])
    assert home(region).from_abroad(caller, diverted_from=GUEST) == ("label", ["cli_spoofing.ambiguous"])
    assert home(region).from_abroad(caller, read_as)[0] == "label"
    assert home(region).from_abroad(read_as)[0] == "block"


def test_where_such_a_number_is_passed_on_nobody_asks_where_its_call_began():
    home("IN").at_home("+916591112222")
    told = {"operator": "op-b", "ranges": ["+916591"], "publishes_originations": True}
    home("IN").held.apply("operators", "op-b", orjson.dumps(told))
    assert home("IN").from_abroad("6591112222", operator="op-t") == ("label", ["cli_spoofing.ambiguous"])
    passed_on = home("IN").say("6591112222", operator="op-c")
    assert passed_on == ("label", ["cli_spoofing.domestic_from_abroad_unverified"])


@pytest.mark.parametrize("caller", ["7012223344", "87012223344", "+77012223344"])
def test_a_spoofed_home_number_that_is_nobody_elses_is_blocked_however_it_is_written(caller):
    home("KZ").at_home("+77012223344")
    assert home("KZ").from_abroad(caller) == ("block", ["cli_spoofing.domestic_from_abroad"])


def test_a_bare_number_that_is_valid_nowhere_is_blocked():
    assert home("KZ").from_abroad("7031234567")[0] == "block"
    assert home("KZ").say("6591234567") == ("block", ["number_invalid.not_in_plan"])  # it did not come from abroad


@pytest.mark.parametrize("region", ["BR", "RU", "US"])
def test_callers_from_abroad_are_known_by_the_prefix_that_others_write(region):
    assert home(region).from_abroad("0049 30 1234567") == ("allow", [])


@pytest.mark.parametrize(
    ("region", "caller", "listed"),
    [("FR", "+337000012345678", "+33700"), ("NO", "+47580012345678", "+4758"), ("IN", "+915591234567890", "+91559")],
)
def test_a_range_in_use_that_the_plan_does_not_know_counts_as_valid_where_it_is_listed(region, caller, listed):
    assert home(region).say(caller) == ("block", ["number_invalid.not_in_plan"])
    home(region).enter("allocated", listed, match="prefix")
    assert home(region).say(caller) == ("allow", [])
    home(region).enter("unallocated", caller)
    assert home(region).say(caller) == ("block", ["number_invalid.unallocated"])


def test_a_foreign_range_may_be_listed_too_and_a_malformed_number_stays_malformed():
    assert home("FR").say("+1234567890123") == ("label", ["number_invalid.not_in_foreign_plan"])
    home("FR").enter("allocated", "+12345", match="prefix")
    home("FR").enter("allocated", "garbage")
    assert home("FR").say("+1234567890123") == ("allow", [])
    assert home("FR").say("garbage") == ("block", ["number_invalid.malformed"])


def test_a_number_in_an_allocated_range_is_judged_as_any_other():
    home("NO").enter("allocated", "+4759", match="prefix")
    home("NO").at_home("+47590000000001")
    assert home("NO").from_abroad("+47590000000001") == ("block", ["cli_spoofing.domestic_from_abroad"])


@pytest.mark.parametrize(
    ("region", "caller", "said"),
    [
        ("DE", "110", ("block", ["number_invalid.emergency_from_abroad"])),
        ("DE", '"Polizei" <sip:110@x>', ("block", ["number_invalid.emergency_from_abroad"])),
        ("DE", "+49110", ("block", ["number_invalid.emergency_from_abroad"])),
        ("GB", "999", ("block", ["number_invalid.emergency_from_abroad"])),
        ("KZ", "102", ("block", ["number_invalid.emergency_from_abroad"])),
        ("FR", "116000", ("block", ["number_invalid.emergency_from_abroad"])),
        ("RU", "900", ("label", ["number_invalid.short_from_abroad"])),
        ("DE", "116116", ("label", ["number_invalid.short_from_abroad"])),
    ],
)
def test_short_numbers_from_abroad(region, caller, said):
    assert home(region).from_abroad(caller) == said


@pytest.mark.parametrize("caller", ["110", "116116"])
@pytest.mark.parametrize("ingress", ["national", "subscriber"])
def test_short_numbers_at_home_are_the_networks_affair(caller, ingress):
    assert home("DE").say(caller, ingress=ingress) == ("allow", [])


@pytest.mark.parametrize("caller", ["110", "116116"])
def test_a_guest_may_be_called_by_short_numbers_of_his_home(caller):
    home("DE").enter("roaming_numbers", GUEST, side="called")
    assert home("DE").from_abroad(caller, GUEST) == ("allow", [])
