"""A SIM that carries other people's calls past the international gateways: many calls a day, each to another line.

Sources: the domain page's row of the same name; Murynets, Zabarankin, Piqueras Jover, Panagia: Analysis and Detection of SIMbox
Fraud in Mobility Networks (INFOCOM 2014): out of all proportion to others it calls, and many different numbers; Kouam, Viana,
Tchana: SIMBox Bypass Frauds in Cellular Networks (2021).
This is the caller's part: an own mobile line with more than fifty calls in a day, nine in ten of them to lines not called
before in it, and conversations of ordinary length, since people talk over it. It labels: somebody who sells by mobile telephone
calls alike. Where signals tell that several such lines share its device, and that hardly anybody calls it (watched for an hour at
least), it is blocked: telephones hold two SIMs, and gateways of taxis are called back.
Exempt: couriers and dispatchers, whose calls are shorter than `mean_talk_s`; fixed lines; interconnect; callers on the list `allow`.
Fails on boxes that spread their calls over so many SIMs that each stays below fifty, or that call a few lines again and again in
between; the distinct numbers are an estimate (14 to 17 % at 50).
"""

from __future__ import annotations

from typing import Any

from streamer.compiled import loop
from streamer.detectors.base import NONE, Cause, Detector
from streamer.features import INDEX

_ATTEMPTS = INDEX["attempts_24h"]
_BLOCKED = INDEX["blocked_24h"]
_ANSWERED = INDEX["answered_24h"]
_TALK = INDEX["talk_24h"]
_DISTINCT = INDEX["distinct_24h"]
_OWN_LINE = INDEX["own_line"]
_MOBILE = INDEX["caller_mobile"]
_SHARED = INDEX["line_imei_lines"]
_INCOMING = INDEX["line_incoming"]
_WATCHED = INDEX["line_watched"]


@loop
def judge(x: Any, p: Any) -> tuple[int, float, float, int]:
    """See the module; p in the order of `DETECTOR.thresholds`."""
    through = x[_ATTEMPTS] - x[_BLOCKED]
    if x[_OWN_LINE] != 1.0 or x[_MOBILE] != 1.0:
        return NONE
    if x[_SHARED] >= p[3] and x[_INCOMING] <= p[4] * x[_ATTEMPTS] and x[_WATCHED] >= p[5]:
        if x[_ATTEMPTS] >= p[6] and x[_DISTINCT] >= p[1] * x[_ATTEMPTS]:
            return 2, x[_SHARED], p[3], 86_400
    if not through > p[0]:
        return NONE
    if x[_DISTINCT] < p[1] * x[_ATTEMPTS] or x[_TALK] < p[2] * x[_ANSWERED] or x[_ANSWERED] == 0.0:
        return NONE
    return 1, through, p[0], 86_400


DETECTOR = Detector(
    id="sim_box",
    kind="behaviour",
    causes=(
        Cause("profile", "label", "calls in a day, nearly each to another line, of ordinary length"),
        Cause("device", "block", "lines on one device that call many others and are hardly called"),
    ),
    thresholds={
        "calls": 50,
        "distinct_share": 0.9,
        "mean_talk_s": 45,
        "device_lines": 5,
        "incoming_share": 0.05,
        "watched_h": 1,
        "device_calls": 25,
    },
    judge=judge,
    cache_s=0,
    doc=__doc__,
)
