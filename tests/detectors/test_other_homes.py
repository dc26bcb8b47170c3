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
