"""How fraudsters call in simulated traffic: one campaign class a fraud type, with the published parameters.

Sources: TransNexus and ATIS on robocall
profiles, Sahin et al. (EuroS&P 2017) on the kinds of telephone fraud, published wangiri thresholds.
"""

from __future__ import annotations

from typing import Final

from streamer.lab.campaigns import Campaign, Line, TalkingCampaign
from streamer.lab.drafts import Course


class Borrowing(TalkingCampaign):
    """Somebody else's number, another one after a few calls; those who answer talk for well under a minute."""

    calls_a_minute = 6.0
    calls_a_line = 3
    rotates = True
    ring_ms = (4_000, 13_000)
    answered = 0.6
    released_by = "callee"

    def talk_ms(self) -> int:
        """Well under a minute."""
        return 1_000 + self.about(40_000)


class Spoofing(Borrowing):
    """Numbers of home subscribers who are at home, shown on an international trunk."""

    label = "cli_spoofing"
    share = 0.012

    def new_line(self) -> Line:
        """Somebody else's number."""
        return Line(self.population.line(self.population.located(self.rng))[1], "international", "GB")


class TrunkMismatch(Borrowing):
    """Numbers of one operator's subscribers over the direct trunk of another."""

    label = "trunk_mismatch"
    share = 0.006

    def new_line(self) -> Line:
        """Somebody else's number, and the trunk of an operator that is not his."""
        carriers = self.population.network.carriers
        here = self.one_of(carriers).operator
        partner = self.one_of([carrier.operator for carrier in carriers if carrier.operator != here])
        owner, number = partner, ""
        while owner == partner:
            owner, number = self.anyone()
        return Line(number, "national", None, here, trunk=f"{partner}-{here}")

    def victim(self, line: Line) -> tuple[str, str]:
        """Any subscriber of the operator at whose end of the trunk the call comes out."""
        operator, number = "", ""
        while operator != line.operator:
            operator, number = super().victim(line)
        return operator, number


class UnverifiedOrigin(Borrowing):
    """Numbers of another operator's subscribers over a transit trunk, while those lines make no call."""

    label = "unverified_origin"
    share = 0.006

    def new_line(self) -> Line:
        """Somebody else's number."""
        owner, number = self.anyone()
        return Line(number, "national", operator=owner)

    def victim(self, line: Line) -> tuple[str, str]:
        """Any subscriber of another operator than the number's."""
        operator, number = line.operator, ""
        while operator == line.operator:
            operator, number = super().victim(line)
        return operator, number


class InvalidNumber(TalkingCampaign):
    """Calling numbers that nobody can have: vacant ranges, too many digits, words, the called number itself."""

    label = "number_invalid"
    share = 0.006
    calls_a_minute = 6.0
    calls_a_line = 4
    rotates = True
    ring_ms = (3_000, 15_000)
    answered = 0.5
    released_by = "caller"

    def new_line(self) -> Line:
        """One of the four kinds."""
        kind = int(4 * self.rng.random())
        shown = (
            self.one_of(self.population.network.vacant) + self.digits(7),
            "+" + "9" * 9 + self.digits(9),
            "Bank-" + self.digits(3),
            "",
        )[kind]
        if kind == 3 or self.rng.random() < 0.3:
            return Line(shown, "national")
        return Line(shown, "international", "GB")

    def talk_ms(self) -> int:
        """Brief."""
        return 2_000 + self.about(30_000)


class Robocall(TalkingCampaign):
    """A dialler: many calls a minute, most of the conversations over within seconds, hardly one above a minute."""

    label = "robocall"
    share = 0.012
    calls_a_minute = 30.0
    calls_a_line = 240
    ring_ms = (3_000, 11_000)
    answered = 0.6
    released_by = "callee"

    def new_line(self) -> Line:
        """A landline or a number from abroad."""
        if self.rng.random() < 0.5:
            return Line(self.population.fixed(self.rng), "national")
        return self.abroad(self.population.network.neighbours)

    def talk_ms(self) -> int:
        """Hung up on as soon as the recording is heard, mostly."""
        longest = 4_500 if self.rng.random() < 0.7 else 30_000
        return 1_000 + int(longest * self.rng.random())


class Wangiri(Campaign):
    """One short ring from a far country, so that the victim calls back at a price."""

    label = "wangiri"
    share = 0.008
    calls_a_minute = 30.0
    calls_a_line = 200

    def new_line(self) -> Line:
        """A number that is dear to call."""
        return self.abroad(self.population.network.far)

    def course(self) -> Course:
        """Released by the caller before three seconds; one in fifty is quicker."""
        ring = 800 + int(1_900 * self.rng.random())
        return ring, 1_500 if self.rng.random() < 0.02 else 0, 16, "caller"


class RangeProbing(Campaign):
    """One number after the other, to learn which are in use."""

    label = "range_probing"
    share = 0.006
    calls_a_minute = 40.0
    calls_a_line = 300

    def new_line(self) -> Line:
        """A landline that begins somewhere in a block of mobile numbers."""
        carrier = self.one_of(self.population.network.carriers)
        block = self.one_of(carrier.prefixes)
        first = int(10_000_000 * self.rng.random())
        return Line(self.population.fixed(self.rng), "national", None, carrier.operator, block, first)

    def victim(self, line: Line) -> tuple[str, str]:
        """The number after the last one."""
        return line.operator, f"{line.block}{(line.first + line.used) % 10_000_000:07d}"

    def course(self) -> Course:
        """A third of the numbers is in no use; the others are let ring for a second."""
        draw = self.rng.random()
        if draw < 0.35:
            return 0, 0, 1, "network"
        return (1_000, 0, 16, "caller") if draw < 0.92 else (4_000, 1_500, 16, "caller")


class ScamCentre(TalkingCampaign):
    """People who talk others out of their money: no rule of volume sees them, so the model has to.

    Its mark: mobile numbers over a transit trunk that share the victim's first eight characters, each number used for a few
    calls only, nearly all answered and long.
    """

    label = "scam_centre"
    share = 0.012
    calls_a_minute = 3.0
    calls_a_line = 15
    rotates = True
    ring_ms = (5_000, 11_000)
    answered = 0.85
    released_by = "callee"

    def new_line(self) -> Line:
        """A number out of the block that is about to be called."""
        operator, number = super().victim(Line("", "national"))
        return Line(number[:8] + self.digits(4), "national", None, operator, number[:8], int(5_000 * self.rng.random()))

    def victim(self, line: Line) -> tuple[str, str]:
        """A neighbour of the number shown, never that number itself; steps of 317 make no run of numbers."""
        last = (line.first + 317 * line.used) % 10_000
        if line.caller.endswith(f"{last:04d}"):
            last = (last + 1) % 10_000
        return line.operator, f"{line.block}{last:04d}"

    def talk_ms(self) -> int:
        """Long: it takes time to talk somebody out of his money."""
        return 20_000 + self.about(90_000)


CAMPAIGNS: Final[tuple[type[Campaign], ...]] = (
    Spoofing,
    TrunkMismatch,
    UnverifiedOrigin,
    InvalidNumber,
    Robocall,
    Wangiri,
    RangeProbing,
    ScamCentre,
)
"""Every fraud type that can be simulated."""
