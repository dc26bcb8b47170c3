"""What many tests share: one real broker for the whole run, and settings with topics of one's own."""

import re
import signal
import tempfile
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from streamer.kafka import topics
from streamer.kafka.broker import LocalBroker
from streamer.settings import Settings, load


def pytest_configure() -> None:
    """Ctrl-C as people know it: a run that a shell put into the background would have its children ignore it."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def broker() -> Iterator[str]:
    """Bootstrap address of a real broker on a free port; it dies with the test run however that ends."""
    with tempfile.TemporaryDirectory(prefix="streamer-broker-") as folder:
        local = LocalBroker(Path(folder), port=0)
        status = local.start(dies_with_parent=True, show=True)
        try:
            yield status.address
        finally:
            local.stop(delete_data=True)


@pytest.fixture
def prefix(request: pytest.FixtureRequest) -> str:
    """A topic prefix that no other test has."""
    name = re.sub(r"[^a-z0-9]+", "-", request.node.name.lower())[:40].strip("-")
    return f"{name}-{uuid.uuid4().hex[:8]}."


@pytest.fixture
def make_settings(broker: str, prefix: str) -> Callable[..., Settings]:
    """Settings for the broker, a prefix and groups of the test's own, 4 partitions and short sessions; anything may be given."""

    def make(**given: object) -> Settings:
        own = {
            "bootstrap": broker,
            "prefix": prefix,
            "partitions": 4,
            "session_timeout_ms": 1_500,
            "group": f"{prefix}scorer",
            "trainer_group": f"{prefix}trainer",
            "metrics_port": 0,
            "trainer_metrics_port": 0,
        }
        return load(**(own | given))

    return make


@pytest.fixture
def kafka_settings(make_settings: Callable[..., Settings]) -> Settings:
    """`make_settings()`, with all topics in place."""
    settings = make_settings()
    topics.ensure(settings)
    return settings
