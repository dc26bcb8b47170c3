"""What many tests share: one real broker for the whole run, and settings with topics of one's own.

`make test` runs them in several processes (pytest-xdist), since those with a broker mostly wait. The broker is then the
controlling process's, and has its address told to the others.
"""

import os
import re
import shutil
import signal
import tempfile
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import hypothesis
import psutil
import pytest

from streamer.compiled import Straight
from streamer.kafka import topics
from streamer.kafka.broker import LocalBroker
from streamer.settings import Settings, load

_SHM = Path("/dev/shm")
_PLENTY = 6 * 2**30

_OF_RUN = pytest.StashKey[ExitStack]()
"""What ends with the run."""
_ADDRESS = pytest.StashKey[str]()
"""Where the run's broker answers."""


def pytest_configure(config: pytest.Config) -> None:
    """Ctrl-C as people know it: a run that a shell put into the background would have its children ignore it.

    Brokers of tests live so short that what Java's second compiler costs is never earned back. Loops that are entered without
    a look at their arguments' types have them looked at. No example of a property has a time limit: others have the machine too.
    """
    hypothesis.settings.register_profile("patient", deadline=None)
    hypothesis.settings.load_profile("patient")
    Straight.checked = True
    os.environ.setdefault("JDK_JAVA_OPTIONS", "-XX:TieredStopAtLevel=1")
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    config.stash[_OF_RUN] = ExitStack()


def pytest_unconfigure(config: pytest.Config) -> None:
    """Stop what the run has started."""
    config.stash[_OF_RUN].close()


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tell a process of the run where the broker is."""
    node.workerinput["broker"] = address_of_broker(node.config)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes longest comes first, then what waits for brokers; the rest of a module stays together in one process."""
    items.sort(key=lambda item: (not item.get_closest_marker("slow"), not item.get_closest_marker("broker")))
    for item in items:
        if not item.get_closest_marker("broker") and not item.get_closest_marker("slow"):
            item.add_marker(pytest.mark.xdist_group(item.nodeid.split("::")[0]))


def address_of_broker(config: pytest.Config) -> str:
    """Bootstrap address of the run's one broker, started by whoever asks first."""
    if _ADDRESS not in config.stash:
        config.stash[_ADDRESS] = config.stash[_OF_RUN].enter_context(running_broker())
    return config.stash[_ADDRESS]


def _in_memory() -> str | None:
    """A folder in memory, where there is plenty of it: the topics of some hundred tests are thousands of files, each of which a
    broker makes sure of on the disk, and while three tests make theirs at once it would answer nobody for seconds.
    """
    if not _SHM.is_dir() or min(shutil.disk_usage(_SHM).free, psutil.virtual_memory().available) < _PLENTY:
        return None
    return str(_SHM)


@contextmanager
def running_broker() -> Iterator[str]:
    """A real broker on a free port; it dies with this process however that ends."""
    with tempfile.TemporaryDirectory(prefix="streamer-broker-", dir=_in_memory()) as folder:
        local = LocalBroker(Path(folder), port=0)
        address = local.start(dies_with_parent=True, show=True).address
        assert address is not None
        try:
            yield address
        finally:
            local.stop(delete_data=True)


@pytest.fixture(scope="session")
def broker(request: pytest.FixtureRequest) -> str:
    """Bootstrap address of the run's broker."""
    told: dict[str, str] = getattr(request.config, "workerinput", {})
    return told.get("broker") or address_of_broker(request.config)


@pytest.fixture
def prefix(request: pytest.FixtureRequest) -> str:
    """A topic prefix that no other test has."""
    name = re.sub(r"[^a-z0-9]+", "-", request.node.name.lower())[:40].strip("-")
    return f"{name}-{uuid.uuid4().hex[:8]}."


@pytest.fixture
def make_settings(broker: str, prefix: str) -> Callable[..., Settings]:
    """Settings for the broker, a prefix and groups of the test's own, and 4 partitions; anything may be given."""

    def make(**given: object) -> Settings:
        own = {
            "bootstrap": broker,
            "prefix": prefix,
            "partitions": 4,
            "group": f"{prefix}scorer",
            "trainer_group": f"{prefix}trainer",
            "signals_group": f"{prefix}signals",
            "metrics_port": 0,
            "trainer_metrics_port": 0,
            "signals_metrics_port": 0,
        }
        return load(**(own | given))

    return make


@pytest.fixture
def kafka_settings(make_settings: Callable[..., Settings]) -> Settings:
    """`make_settings()`, with all topics in place."""
    settings = make_settings()
    topics.ensure(settings)
    return settings


@pytest.fixture
def brief_sessions(make_settings: Callable[..., Settings]) -> Settings:
    """`kafka_settings` with sessions of a second and a half, where somebody has to be expelled.

    Whoever must not be has those of `kafka_settings`: a busy machine keeps a broker from answering for two seconds.
    """
    settings = make_settings(session_timeout_ms=1_500)
    topics.ensure(settings)
    return settings
