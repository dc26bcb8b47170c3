"""Machines that call number after number.

Sources: TransNexus and ATIS on robocall profiles (mean call under a minute, nearly all of them short); published wangiri
thresholds (ring below 3 to 5 s, ASR below 5 %, about 5 % of victims call back); Tu, Doupé, Zhao and Ahn (IEEE S&P 2016) on
robocalls; GSMA and MEF papers on flash calling (one ring, the code is in the calling number).
"""

from __future__ import annotations

from streamer.lab.campaigns import Campaign, Line, TalkingCampaign
from streamer.lab.drafts import Course, Draft
from streamer.lab.honest.courses import people


class Robocall(TalkingCampaign):
    """A dialler: many calls a minute, most of the conversations over within seconds, hardly one above a minute."""

    label = "robocall"
    share = 0.010
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
    """One short ring from a far country, so that the victim calls back at a price: one in twenty of those who were rung does, within
    minutes to an hour.
    """

    label = "wangiri"
    share = 0.006
    calls_a_minute = 30.0
    calls_a_line = 200
    called_back = 0.05
    _called = 0
    """Index of the latest victim."""

    def new_line(self) -> Line:
        """A number that is dear to call."""
        return self.abroad(self.population.network.far)

    def victim(self, line: Line) -> tuple[str, str]:
        """Anybody."""
        self._called = self.population.anyone(self.rng)
        return self.population.line(self._called)

    def draft(self) -> Draft:
        """The call, and what comes of it where it is let through: most who call back wait for an answer that costs them."""
        draft = super().draft()
        if draft.kind or self.rng.random() >= self.called_back:
            return draft
        operator, caller = self.population.line(self._called)
        back = Draft(
            operator, caller, draft.caller, "subscriber", None, None, *people(self.rng), None, self._called, kind="call_back"
        )  # fmt: skip
        return draft._replace(back=(self.about(1_200_000), back))

    def course(self) -> Course:
        """Released by the caller before three seconds; one in fifty is quicker."""
        ring = 800 + int(1_900 * self.rng.random())
        return ring, 1_500 if self.rng.random() < 0.02 else 0, 16, "caller"


class RangeProbing(Campaign):
    """One number after the other, to learn which are in use."""

    label = "range_probing"
    share = 0.005
    calls_a_minute = 40.0
    calls_a_line = 300

    def new_line(self) -> Line:
        """A landline that begins somewhere in a block of mobile numbers."""
        carrier = self.one_of(self.population.network.carriers)
        block = self.one_of(carrier.prefixes)
        first = int(10**self.population.network.digits * self.rng.random())
        return Line(self.population.fixed(self.rng), "national", None, carrier.operator, block, first)

    def victim(self, line: Line) -> tuple[str, str]:
        """The number after the last one."""
        digits = self.population.network.digits
        return line.operator, f"{line.block}{(line.first + line.used) % 10**digits:0{digits}d}"

    def course(self) -> Course:
        """A third of the numbers is in no use; the others are let ring for a second."""
        draw = self.rng.random()
        if draw < 0.35:
            return 0, 0, 1, "network"
        return (1_000, 0, 16, "caller") if draw < 0.92 else (4_000, 1_500, 16, "caller")


class FlashCall(Campaign):
    """Log-in codes delivered past the operators' paid channels: the last digits of a calling number that is seen once, one ring.

    Half of them show numbers from abroad, half landlines over one small transit trunk.
    """

    label = "flash_call"
    share = 0.003
    calls_a_minute = 20.0
    calls_a_line = 1
    rotates = True

    def new_line(self) -> Line:
        """Where it comes in, and its first number."""
        if self.rng.random() < 0.5:
            return self.abroad(self.population.network.neighbours)
        operator, trunk = self.some_trunk()
        return Line(self.population.fixed(self.rng), "national", None, operator, trunk=trunk)

    def next_line(self, line: Line) -> Line:
        """Another number, where the last one came in."""
        if line.ingress == "international":
            return self.abroad([one for one in self.population.network.neighbours if one.country == line.country])
        return line._replace(caller=self.population.fixed(self.rng), used=0)

    def victim(self, line: Line) -> tuple[str, str]:
        """Any subscriber, behind the trunk if it has one."""
        return self.anyone_at(line.operator) if line.operator else self.anyone()

    def course(self) -> Course:
        """Released by the caller within the first ring."""
        return 900 + int(2_000 * self.rng.random()), 0, 16, "caller"
