"""What ops watch of Identity headers: whether they hold, and which certificates are missing."""

from __future__ import annotations

from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge


class IdentityMetrics:
    """Part of `streamer.stream.metrics.Metrics`."""

    def __init__(self, registry: CollectorRegistry) -> None:
        own: dict[str, Any] = {"registry": registry}
        self.came = Counter(
            "streamer_identities",
            "Identity headers by what came of them: A, B, C, why they do not hold, nothing (none of SHAKEN's), late (no time to look)",
            ["came"],
            **own,
        )
        self.missing = Counter(
            "streamer_identity_missing",
            "Set-ups whose certificate is not in the folder, by the entry of identity_hosts that allows its host, else other",
            ["host"],
            **own,
        )
        self.certificates = Gauge(
            "streamer_identity_certificates", "Certificates at hand that lead to an anchor", **own
        )
