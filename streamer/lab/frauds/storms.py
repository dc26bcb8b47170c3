"""Many calls at once on one victim.

Sources: the domain page's rows: 50 calls in 30 s on one number and, seen for real, 1,144 calls to one person in under ten
minutes (telephony denial of service); five or more calling numbers on one called number within five seconds (number
rotation of diallers that want to be answered by any of them).
"""

from __future__ import annotations

from streamer.lab.campaigns import Line, Storm
from streamer.lab.drafts import Course, Draft


class TelephonyDenial(Storm):
    """So many calls on one number that nobody else gets through: each from a number of its own, over every way in.

    A hundred in 55 s, the pace of 1,144 in ten minutes. The victim is busy nearly always.
    """

    label = "tdos"
    share = 0.003
    calls_a_minute = 60.0
    calls_a_line = 100
    burst = 100
    within_ms = 55_000

    def new_line(self) -> Line:
        """The attack; its callers are drawn call by call."""
        operator, number = self.anyone()
        return Line("", "national", None, operator, number)

    def storm(self) -> list[Draft]:
        """One victim's calls."""
        self.lines[0] = self._after(self.lines[0])
        return [self._shown(self.draft()) for _ in range(self.burst)]

    def draft(self) -> Draft:
        """One call of the attack under way."""
        line = self.lines[0]
        return self._made(line, self.victim(line), self.course())

    def _shown(self, draft: Draft) -> Draft:
        if self.rng.random() < 0.5:
            return draft._replace(caller=self.population.fixed(self.rng))
        country, caller = self.foreign(self.population.network.neighbours)
        return draft._replace(caller=caller, country=country, ingress="international", trunk=f"igw-{draft.operator}")

    def victim(self, line: Line) -> tuple[str, str]:
        """The one number."""
        return line.operator, line.block

    def course(self) -> Course:
        """Busy (Q.850 cause 17), or answered and left at once, or let ring until it is given up."""
        draw = self.rng.random()
        if draw < 0.75:
            return 0, 0, 17, "network"
        if draw < 0.9:
            return 5_000 + int(10_000 * self.rng.random()), 0, 16, "caller"
        return 2_000, 1_000 + int(6_000 * self.rng.random()), 16, "callee"


class DenialFromLines(TelephonyDenial):
    """The same from few numbers, each of which calls again and again; `extent` is how many."""

    name = "flood_from_lines"
    share = 0.0

    def storm(self) -> list[Draft]:
        """One victim's calls, each from one of the attack's numbers."""
        self.lines[0] = self._after(self.lines[0])
        shown = [self._shown(self.draft()) for _ in range(max(1, round(self.extent)))]
        found = []
        for _ in range(self.burst):
            ring, talk, cause, by = self.course()
            whose = self.rng.choice(shown)
            found.append(whose._replace(ring_ms=ring, talk_ms=talk, cause=cause, released_by=by))
        return found


class NumberRotation(Storm):
    """Six numbers on one victim within five seconds over one small transit trunk, and then on the next victim."""

    label = "number_rotation"
    share = 0.003
    calls_a_minute = 24.0
    calls_a_line = 600
    burst = 6
    within_ms = 4_800

    def new_line(self) -> Line:
        """A trunk and a block of landlines."""
        operator, trunk = self.some_trunk()
        return Line("", "national", None, operator, self.population.fixed(self.rng)[:-3], trunk=trunk)

    def storm(self) -> list[Draft]:
        """One victim's calls, from six numbers of the block."""
        drafts = [self.draft()]
        callers = self.rng.sample(range(1_000), self.burst)
        line = self.lines[self.turn]
        self.lines[self.turn] = line._replace(used=line.used + self.burst - 1)
        found = []
        for caller in callers:
            ring, talk, cause, by = self.course()
            found.append(
                drafts[0]._replace(
                    caller=f"{line.block}{caller:03d}", ring_ms=ring, talk_ms=talk, cause=cause, released_by=by
                )
            )
        return found

    def victim(self, line: Line) -> tuple[str, str]:
        """Any subscriber of the operator behind the trunk."""
        return self.anyone_at(line.operator)

    def course(self) -> Course:
        """One is answered, seldom two; the rest rings a moment or finds him busy."""
        draw = self.rng.random()
        if draw < 0.2:
            return 1_500 + int(4_000 * self.rng.random()), 2_000 + int(12_000 * self.rng.random()), 16, "callee"
        return (0, 0, 17, "network") if draw < 0.6 else (1_000 + int(4_000 * self.rng.random()), 0, 16, "caller")
