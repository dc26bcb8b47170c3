"""Ranges of operators and trunks as they are registered: brought to the one form that numbers are compared in, or refused.

A range that no number can match is worse than none: every number of its owner would count as another's.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import phonenumbers

from streamer.calls.numbers import HomePlan

SEPARATORS: Final = str.maketrans("", "", " -./()\u00a0")
"""What people write between the digits of a number's beginning."""
_CODES: Final = frozenset(map(str, phonenumbers.COUNTRY_CODE_TO_REGION_CODE))
_BEGINNINGS: Final = frozenset(code[:count] for code in _CODES for count in range(1, len(code) + 1))
LONGEST_SHORT: Final = 9
"""Digits of a short number at most."""
_MOST_DIGITS: Final = 15
_SHOWN: Final = 40
"""Characters of a range that a reason shows."""


def ranges_of(given: Iterable[str], plan: HomePlan) -> tuple[list[str], list[str]]:
    """Prefixes of E.164 numbers, each with its `+`; and of each that can never match, or cannot be read, why that is so.

    They may be written as dialled at home, with a trunk or international prefix, or without `+` where the home country's calling code
    comes first.

    >>> from streamer.calls.numbers import home_plan
    >>> ranges_of(["+49 89-123", "089 123", "0049 89 123", "4989123", "+490"], home_plan("DE"))
    (['+4989123', '+4989123', '+4989123', '+4989123'], ["range '+490' can never match: behind +49 the 0 is left out"])
    """
    sound, wrong = [], []
    for one in given:
        try:
            sound.append(_range_of(one, plan))
        except ValueError as error:
            wrong.append(str(error))
    return sound, wrong


def _range_of(given: str, plan: HomePlan) -> str:
    text = given.translate(SEPARATORS)
    digits = text.removeprefix("+")
    if not (digits.isascii() and digits.isdigit()):
        raise ValueError(
            f"range {_short(given)} can never match: a range is digits, with + and the calling code before them"
        )
    if not text.startswith("+"):
        digits = as_international(digits, plan) or _with_code(given, digits, plan)
    if len(digits) > _MOST_DIGITS or not _has_code(digits):
        raise ValueError(
            f"range {_short(given)} can never match: +{digits} begins with no calling code, or has more than {_MOST_DIGITS} digits"
        )
    national = digits.removeprefix(plan.code) if digits.startswith(plan.code) else ""
    if plan.trunk == "0" and national.startswith("0") and "0" not in plan.leading:
        raise ValueError(f"range {_short(given)} can never match: behind +{plan.code} the 0 is left out")
    return f"+{digits}"


def as_international(digits: str, plan: HomePlan) -> str | None:
    """The beginning of a number as dialled at home with the calling code before it, where the plan says that it can be nothing else.

    >>> from streamer.calls.numbers import home_plan
    >>> [as_international(digits, home_plan("KZ")) for digits in ("8701", "00447", "7701", "112")]
    ['7701', '447', None, None]
    """
    for prefix in plan.international:
        if digits.startswith(prefix) and len(digits) > len(prefix):
            return digits[len(prefix) :]
    if plan.trunk and digits.startswith(plan.trunk) and digits[len(plan.trunk) :][:1] in plan.leading:
        return plan.code + digits[len(plan.trunk) :]
    if len(digits) == plan.length and digits[0] in plan.leading:
        return plan.code + digits
    return None


def _with_code(given: str, digits: str, plan: HomePlan) -> str:
    """Digits that begin with a calling code, though nothing is before it."""
    if digits.startswith(plan.code) and digits[len(plan.code) :][:1] in plan.leading:
        return digits
    if len(digits) > LONGEST_SHORT and not digits.startswith("0"):
        return digits
    raise ValueError(
        f"range {_short(given)} is no beginning of a number as dialled in {plan.region}: write + and the calling code"
    )


def _short(given: str) -> str:
    return repr(given if len(given) <= _SHOWN else given[:_SHOWN] + "…")


def _has_code(digits: str) -> bool:
    """Whether digits are the beginning of a calling code, or begin with one."""
    return digits in _BEGINNINGS or any(digits[:count] in _CODES for count in (1, 2, 3))
