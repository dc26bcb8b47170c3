"""Identity headers verified beside the judging: a stage that a batch goes through before the engine has it.

One thread verifies what a batch brings, within `identity_timeout_ms`; a call that is not looked at by then goes on without.
Another reads the folders again when they change. Nothing is fetched here: a certificate that is missing is told, and whoever
looks after the worker fetches it (`streamer identity fetch`).
"""

from __future__ import annotations

import asyncio
import logging
import shlex
import time
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final, NamedTuple

from streamer.calls.clamping import clamped
from streamer.calls.codec import decode_call
from streamer.calls.events import Setup
from streamer.calls.numbers import home_plan
from streamer.errors import MessageError
from streamer.identity.fetching import allowed_by
from streamer.identity.folder import Folder
from streamer.identity.passport import host_of
from streamer.identity.results import MALFORMED, NOTHING, name_of
from streamer.identity.verification import Found, Verifier
from streamer.outcomes import Tally
from streamer.records import Batch
from streamer.settings import Settings
from streamer.stream.identity_metrics import IdentityMetrics
from streamer.stream.seldom import Seldom

log = logging.getLogger("streamer.identity")

_LOOK_S: Final = 2.0
"""Between looks at the folders."""
_MOST_TOLD: Final = 10
"""URLs of one host that a line of the log names."""
_FIELD: Final = b'"identity"'


class _Looked(NamedTuple):
    """What a batch came to: a result a record, how many came to what, how often each certificate was missing, by its URL."""

    results: list[int]
    came: Tally[str]
    missing: Tally[str]


class Identities:
    """The stage. `look` may be asked of one batch at a time."""

    def __init__(self, settings: Settings, metrics: IdentityMetrics) -> None:
        self._settings, self._metrics = settings, metrics
        self._plan = home_plan(settings.home)
        self._folder = Folder(settings.identity_anchors, settings.identity_certificates, log.warning)
        self._verifying = ThreadPoolExecutor(1, "identity")
        self._reading = ThreadPoolExecutor(1, "identity-folder")
        self._seldom = Seldom()
        self._wanted: dict[str, dict[str, None]] = {}
        self._folder.look()
        self._verifier = self._made()
        if not self._folder.anchors:
            log.warning("no trust anchor is in %s: no Identity header will hold", settings.identity_anchors)
        self._looking: Future[bool] | None = None
        self._look_at = time.monotonic() + _LOOK_S

    def close(self) -> None:
        """End the threads once they are through with what they have."""
        self._verifying.shutdown()
        self._reading.shutdown()

    async def look(self, batch: Batch) -> Batch:
        """The batch with what came of its headers; the same where it has none."""
        self._follow()
        rows = [row for row, value in enumerate(batch.values) if value is not None and _FIELD in value]
        if not rows:
            return batch
        until = time.monotonic() + self._settings.identity_timeout_ms / 1000
        loop = asyncio.get_running_loop()
        looked = await loop.run_in_executor(self._verifying, self._look, self._verifier, batch, rows, until)
        for came, n in looked.came.items():
            self._metrics.came.labels(came).inc(n)
        if looked.missing:
            self._tell(looked.missing)
        return batch._replace(identities=looked.results)

    def _look(self, verifier: Verifier, batch: Batch, rows: list[int], until: float) -> _Looked:
        """In the thread that verifies."""
        looked = _Looked([NOTHING] * len(batch.values), Tally(), Tally())
        for row in rows:
            try:
                setup = decode_call(batch.values[row])
            except MessageError:
                continue  # a dead letter, as the engine will say
            if not isinstance(setup, Setup) or not setup.identity:
                continue
            if time.monotonic() > until:
                looked.came["late"] += 1
                continue
            at_ms = clamped(setup.at, batch.append_ms[row]) if self._settings.clamp else setup.at
            try:
                found = verifier.verify(setup, at_ms)
            except Exception:
                # Whoever calls writes the header: what nobody thought of may cost its call the attestation, not the worker.
                found = Found(MALFORMED)
                if self._seldom.due(None):
                    log.exception(
                        "an Identity header could not be looked at, and counts as malformed: please report this"
                    )
            looked.results[row] = found.result
            looked.came[name_of(found.result)] += 1
            if found.missing is not None:
                looked.missing[found.missing] += 1
        return looked

    def _tell(self, missing: Tally[str]) -> None:
        """Count certificates that are missing, and say once a minute for each host which."""
        for url, n in missing.items():
            label = allowed_by(host_of(url) or "", self._settings.identity_hosts) or "other"
            self._metrics.missing.labels(label).inc(n)
            wanted = self._wanted.setdefault(label, {})
            if len(wanted) < _MOST_TOLD:
                wanted[url] = None
            if self._seldom.due(label):
                what = "" if label != "other" else " (of hosts that identity_hosts does not allow)"
                log.warning("certificates are missing%s: streamer identity fetch %s", what, shlex.join(wanted))
                self._wanted[label] = {}

    def _follow(self) -> None:
        """Take the folders' news, and have them looked at every now and then."""
        if self._looking is not None and self._looking.done():
            if self._looking.result():
                self._verifier = self._made()
            self._looking = None
        if self._looking is None and time.monotonic() >= self._look_at:
            self._look_at = time.monotonic() + _LOOK_S
            self._looking = self._reading.submit(self._folder.look)

    def _made(self) -> Verifier:
        signers = self._folder.signers
        trusted = sum(signer.trusted for signer in signers.values())
        self._metrics.certificates.set(trusted)
        log.info("%d certificates are at hand, %d lead to an anchor", len(signers), trusted)
        return Verifier(signers, self._plan)
