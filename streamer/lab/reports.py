"""What banks and victims say of simulated calls afterwards."""

from __future__ import annotations

from streamer.calls.events import Feedback, FraudType, Setup


def report(setup: Setup, label: FraudType, at_ms: int) -> Feedback:
    """The feedback a bank would send at `at_ms` about a call of known fraud type."""
    return Feedback(
        caller=setup.caller,
        callee=setup.callee,
        call_id=setup.call_id,
        at=at_ms,
        label="fraud",
        fraud_type=label,
        source="bank",
        by="simulated-bank",
    )
