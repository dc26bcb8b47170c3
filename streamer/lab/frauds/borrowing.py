"""Calls that show somebody else's number, or one that nobody can have.

Sources: what operators and regulators block (India's CIOR, Traficom's regulation 28, Ofcom's CLI guidance, Russia's
Antifrod); Mustafa, Xu, Sadeghi and Schulz (IEEE TDSC 2018) on caller ID spoofing; 13,193 complaints to the US Federal Trade
Commission, of whose callers 41 % share the area code of the called.
"""

from __future__ import annotations

from streamer.lab.campaigns import Line, TalkingCampaign
from streamer.lab.drafts import Draft, Planned


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
    share = 0.008

    def new_line(self) -> Line:
        """Somebody else's number."""
        return Line(self.population.line(self.population.located(self.rng))[1], "international", "GB")


class TrunkMismatch(Borrowing):
    """Numbers of one operator's subscribers over the direct trunk of another."""

    label = "trunk_mismatch"
    share = 0.004

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
        return self.anyone_at(line.operator)


class UnverifiedOrigin(Borrowing):
    """Numbers of another operator's subscribers over a transit trunk, while those lines make no call."""

    label = "unverified_origin"
    share = 0.004

    def new_line(self) -> Line:
        """Somebody else's number."""
        owner, number = self.anyone()
        return Line(number, "national", operator=owner)

    def victim(self, line: Line) -> tuple[str, str]:
        """Any subscriber of another operator than the number's."""
        operator, number = line.operator, ""
        while operator == line.operator:
            operator, number = self.anyone()
        return operator, number


class InvalidNumber(TalkingCampaign):
    """Calling numbers that nobody can have: vacant ranges, too many digits, words, the called number itself."""

    label = "number_invalid"
    share = 0.004
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

    def victim(self, line: Line) -> tuple[str, str]:
        """Anybody; who is shown his own number is known to be at home, as a roamer's voicemail shows him his own as well."""
        return self.anyone() if line.caller else self.population.line(self.population.located(self.rng))

    def talk_ms(self) -> int:
        """Brief."""
        return 2_000 + self.about(30_000)


class NeighbourSpoofing(Borrowing):
    """A fresh number for each victim, with his own first seven national digits (six for some), over one small transit trunk.

    The number shown is the victim's own operator's, more often than not.
    """

    label = "neighbour_spoofing"
    share = 0.003
    calls_a_minute = 20.0
    calls_a_line = 1

    def new_line(self) -> Line:
        """A trunk; the number shown follows from the one that is called."""
        operator, trunk = self.some_trunk()
        return Line("", "national", None, operator, trunk=trunk)

    def next_line(self, line: Line) -> Line:
        """The same trunk."""
        return line._replace(used=0)

    def victim(self, line: Line) -> tuple[str, str]:
        """Any subscriber of the operator behind the trunk."""
        return self.anyone_at(line.operator)

    def draft(self) -> Draft:
        """The call, with a number like the called one."""
        draft = super().draft()
        shared = draft.callee[: 9 if self.rng.random() < 0.8 else 8]
        shown = draft.callee
        while shown == draft.callee:
            shown = shared + self.digits(len(draft.callee) - len(shared))
        return draft._replace(caller=shown)


class SpoofedBank(Borrowing):
    """The number of a bank that stands on the allow list, from abroad; `extent` is the part of calls that show it.

    The others show numbers of subscribers of whom no location is known, to hide among.
    """

    name = "spoofed_bank"
    label = "cli_spoofing"
    calls_a_line = 20

    def new_line(self) -> Line:
        """The bank's number, or a subscriber's."""
        if self.rng.random() < self.extent:
            return Line(self.one_of(self.population.network.banks), "international", "GB")
        return Line(self.anyone()[1], "international", "GB")


class SpoofedRoamer(Borrowing):
    """The number of a subscriber who does roam, from the country where he is; `extent` is the part of calls that show one.

    The others show numbers of subscribers who are known to be at home.
    """

    name = "spoofed_roamer"
    label = "cli_spoofing"

    def new_line(self) -> Line:
        """A roamer's number."""
        if self.rng.random() < self.extent:
            index, country = self.population.roamer(self.rng)
            return Line(self.population.line(index)[1], "international", country)
        return Line(self.population.line(self.population.located(self.rng))[1], "international", "GB")


class SpoofedActive(UnverifiedOrigin):
    """The number of an acquaintance of the victim who calls him now and then; `extent` is the part of calls that come within
    seconds after the acquaintance's own call of the same victim, so that an origination is there.
    """

    name = "spoofed_active"
    share = 0.0
    calls_a_line = 1

    def new_line(self) -> Line:
        """The number is chosen with the victim."""
        return Line("", "national")

    def planned(self) -> Planned:
        """The acquaintance's own call, which is honest, and three seconds later the other one."""
        population = self.population
        operator = owner = ""
        while operator == owner:  # it has to come in from another network
            index = population.anyone(self.rng)
            operator, callee = population.line(index)
            friend = population.acquaintance(index, self.rng)
            owner, caller = population.line(friend)
        spoofed = self.draft()._replace(operator=operator, caller=caller, callee=callee, trunk=f"transit-{operator}")
        if self.rng.random() >= self.extent:
            return [(0, spoofed)]
        own = Draft(
            owner, caller, callee, "subscriber", None, None, 2_500, 0, 16, "caller", None, friend, kind="subscriber"
        )
        return [(0, own), (3_000, spoofed)]
