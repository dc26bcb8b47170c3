"""Verdicts made by hand, as an engine's evidence tells them."""

import msgspec
import orjson

from streamer.features import NAMES
from streamer.lab.evaluation.verdicts import Told, Verdict
from streamer.lab.truth import Truth


def verdict(
    number, action="allow", *, at=None, caller="+77011234567", callee="+77272345678", trunk="igw", asked=(), features=None,
    revised=False, lists=(), origin="interconnect", shadow=None, said=(),
):  # fmt: skip
    """Call `number`, a second after the one before; `asked` are reasons, with the mode if it is not enforce: `shadow:a.b`."""
    findings = []
    for reason in asked:
        mode, _, name = reason.rpartition(":")
        detector, cause = name.split(".")
        findings.append(
            {
                "detector": detector, "cause": cause, "observed": 0.9, "threshold": 0.5, "window_s": 3600,
                "mode": mode or "enforce", "action": "block",
            }
        )  # fmt: skip
    told = {
        "decision": {
            "call_id": f"call-{number}", "at": 1000 * number if at is None else at, "operator": "op-a", "caller": caller,
            "callee": callee, "action": action, "shadow_action": shadow or action, "reasons": list(said),
        },
        "caller_key": caller, "origin": origin, "trunk": trunk, "partition": 0, "offset": number,
        "features": dict.fromkeys(NAMES, 0.0) | (features or {}), "findings": findings, "lists": list(lists),
    }  # fmt: skip
    made = Verdict(msgspec.json.decode(orjson.dumps(told), type=Told))
    if revised:
        made.action, made.shadow, made.came = "block", "block", "revised"
    return made


def fraud(kind, campaign="1", number=0):
    """The truth of a fraudulent call."""
    return Truth(f"call-{number}", kind, f"{kind}.{campaign}")


def honest(kind="subscriber", number=0):
    """The truth of an honest call."""
    return Truth(f"call-{number}", None, None, kind)
