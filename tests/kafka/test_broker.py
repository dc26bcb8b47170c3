"""The local broker's life: started, found, refused twice, killed, stale, stopped, deleted."""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from streamer.commands.broker import app, plain
from streamer.errors import BrokerError
from streamer.kafka import install
from streamer.kafka.broker import BrokerStatus, LocalBroker, free_port, is_free
from streamer.kafka.broker_config import server_properties
from streamer.kafka.install import Jar, find_java
from streamer.kafka.processes import alone, born, is_alive
from streamer.kafka.topics import Topics, ensure
from streamer.settings import Settings, load


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "broker"
    yield folder
    LocalBroker(folder).stop(wait_s=5)


def dead(pid: int, since: str, timeout_s: float = 20.0) -> bool:
    until = time.monotonic() + timeout_s
    while is_alive(pid, since):
        if time.monotonic() > until:
            return False
        time.sleep(0.02)
    return True


@pytest.mark.broker
def test_the_commands_from_start_to_deletion(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a user has it, on a machine without Java; the JVM runs in the background and outlives the command."""
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    assert shutil.which("java") is None
    port = free_port()

    def streamer(*arguments: str) -> subprocess.CompletedProcess[str]:
        run = [sys.executable, "-c", "from streamer.commands import main; main()", "broker", *arguments]
        return subprocess.run([*run, "--folder", str(folder)], capture_output=True, text=True, timeout=120, check=False)

    done = streamer("status")
    assert (done.returncode, done.stdout) == (3, f"no broker runs, data folder {folder}\n")
    done = streamer("stop")
    assert (done.returncode, done.stdout) == (0, f"no broker ran in {folder}\n")

    done = streamer("start", "--port", str(port), "--partitions", "2", "--prefix", "kz.", "--heap", "512m")
    assert done.returncode == 0, done.stderr
    pid = json.loads((folder / "broker.json").read_text())["pid"]
    since = born(pid)
    line = f"broker runs: pid {pid}, 127.0.0.1:{port}, Apache Kafka 4.2.1, data folder {folder}\n"
    wanted = len(Topics(load()).specs)
    assert done.stdout == line + f"topics: {wanted} created, 2 partitions, prefix 'kz.'\n"
    assert "-Xmx512m" in Path(f"/proc/{pid}/cmdline").read_text().split("\0")
    assert os.getsid(pid) == pid, "Ctrl-C in the terminal must not reach it"

    done = streamer("status")
    assert (done.returncode, done.stdout) == (0, line)
    done = streamer("start", "--port", str(port))
    assert done.returncode == 1
    assert f"a broker already runs in {folder}: pid {pid}" in done.stderr

    done = streamer("stop", "--delete-data")
    assert (done.returncode, done.stdout) == (0, "broker stopped; data deleted\n")
    assert dead(pid, since)
    assert not folder.exists()
    assert is_free(port)


@pytest.mark.broker
def test_data_outlives_a_stop_and_a_stale_pid_is_seen_through(folder: Path) -> None:
    local = LocalBroker(folder, port=free_port())
    first = local.start(dies_with_parent=True)
    assert first.pid is not None
    cluster = (folder / "data" / "meta.properties").read_text()

    os.kill(first.pid, signal.SIGKILL)
    assert local._process is not None
    local._process.wait(20)
    found = LocalBroker(folder).status()
    assert (found.running, found.pid) == (False, first.pid)
    with pytest.raises(BrokerError, match="no broker runs"):
        _ = local.bootstrap

    # The number of the dead one is now another process's: ours.
    state = json.loads((folder / "broker.json").read_text())
    (folder / "broker.json").write_text(json.dumps(state | {"pid": os.getpid()}))
    assert not LocalBroker(folder).status().running
    successor = LocalBroker(folder, port=free_port())
    second = successor.start(dies_with_parent=True)
    assert second.running
    assert second.pid not in {first.pid, os.getpid()}
    assert (folder / "data" / "meta.properties").read_text() == cluster

    assert LocalBroker(folder).stop(), "any process may stop it"
    assert not successor.stop()
    assert (folder / "data" / "meta.properties").exists()


@pytest.mark.broker
def test_dies_with_its_parent(folder: Path) -> None:
    code = (
        "import sys, pathlib\n"
        "from streamer.kafka.broker import LocalBroker\n"
        "print(LocalBroker(pathlib.Path(sys.argv[1]), port=0).start(dies_with_parent=True).pid, flush=True)\n"
        "sys.stdin.read()\n"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", code, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        since = born(pid)
        assert is_alive(pid, since)
        parent.kill()
    assert dead(pid, since)
    assert not LocalBroker(folder).status().running


@pytest.mark.broker
def test_a_broker_that_cannot_start_says_why_and_leaves_nothing(folder: Path) -> None:
    local = LocalBroker(folder, port=0, properties={"log.retention.hours": "soon"})
    with pytest.raises(BrokerError, match=r"cannot be formatted|ended with exit code"):
        local.start(dies_with_parent=True)
    assert not local.status().running
    assert not (folder / "broker.json").exists()


@pytest.mark.broker
def test_one_too_slow_to_answer_is_ended(folder: Path) -> None:
    local = LocalBroker(folder, port=0)
    with pytest.raises(BrokerError, match="did not answer on 127"):
        local.start(dies_with_parent=True, wait_s=0.0)
    assert not local.status().running
    assert local._process is None


def test_a_taken_port_is_named(folder: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(BrokerError, match=f"port {port} of 127.0.0.1 is taken"):
            LocalBroker(folder, port=port).start()
    assert not folder.exists()


def test_two_starts_at_once_are_kept_apart(tmp_path: Path) -> None:
    with alone(tmp_path), pytest.raises(BrokerError, match="being started"), alone(tmp_path):
        pass
    with alone(tmp_path):
        pass


@pytest.mark.parametrize("text", ["{", "[]", "7", '{"pid": 1}'])
def test_damaged_state_is_not_guessed_at(folder: Path, text: str) -> None:
    folder.mkdir()
    state = folder / "broker.json"
    state.write_text(text)
    with pytest.raises(BrokerError, match="damaged"):
        LocalBroker(folder).status()
    state.unlink()


@pytest.mark.parametrize("heap", ["", "768", "lots", "-1m", "0m", "1.5g"])
def test_a_heap_is_a_size(heap: str) -> None:
    with pytest.raises(BrokerError, match="heap"):
        LocalBroker(heap=heap)


def test_only_loopback_is_listened_on(tmp_path: Path) -> None:
    found = server_properties(port=1, controller_port=2, data=tmp_path, listeners={"SASL_SSL": 3}, cores=2)
    assert found["listeners"] == "PLAINTEXT://127.0.0.1:1,SASL_SSL://127.0.0.1:3,CONTROLLER://127.0.0.1:2"
    assert found["auto.create.topics.enable"] == "false"
    assert found["group.min.session.timeout.ms"] == "1000"


@pytest.mark.parametrize(("cores", "threads"), [(1, ("1", "2")), (2, ("1", "2")), (4, ("2", "4")), (64, ("3", "8"))])
def test_the_broker_has_threads_for_the_cores_there_are(tmp_path, cores, threads) -> None:
    found = server_properties(port=1, controller_port=2, data=tmp_path, listeners={}, cores=cores)
    assert (found["num.network.threads"], found["num.io.threads"]) == threads


# -- Java and jars ------------------------------------------------------------------------------


def fake_java(home: Path, says: str) -> Path:
    java = home / "bin" / "java"
    java.parent.mkdir(parents=True)
    java.write_text(f"#!/bin/sh\n{says}\n")
    java.chmod(0o755)
    return java


@pytest.mark.parametrize(("version", "major"), [("17.0.15", 17), ("25.0.2", 25), ("21", 21)])
def test_java_is_taken_by_home_or_executable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str, major: int
) -> None:
    java = fake_java(tmp_path, f"echo 'openjdk version \"{version}\" 2025-04-15' >&2")
    assert find_java(tmp_path) == (java, major)
    assert find_java(java) == (java, major)
    monkeypatch.setenv("STREAMER_JAVA_HOME", str(tmp_path))
    assert find_java() == (java, major)


@pytest.mark.parametrize(
    ("says", "error"),
    [
        ("echo 'java version \"1.8.0_401\"' >&2", "is Java 8; Kafka needs 17"),
        ("echo 'openjdk version \"11.0.2\"' >&2", "is Java 11; Kafka needs 17"),
        ("exit 1", "does not work"),
        ("echo hello", "does not say which version"),
    ],
)
def test_a_java_that_will_not_do_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, says: str, error: str
) -> None:
    fake_java(tmp_path, says)
    with pytest.raises(BrokerError, match=f"--java.*{error}"):
        find_java(tmp_path)
    monkeypatch.setenv("STREAMER_JAVA_HOME", str(tmp_path))
    with pytest.raises(BrokerError, match=f"STREAMER_JAVA_HOME.*{error}"):
        find_java()


def test_a_java_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(BrokerError, match=r"--java names .*nowhere"):
        find_java(tmp_path / "nowhere")


def test_the_lock_is_whole() -> None:
    version, jars = install.locked()
    assert f"org.apache.kafka:kafka_2.13:{version}" in {jar.coordinate for jar in jars}
    assert install.ENDPOINT.startswith(f"org.apache.kafka:kafka_2.13:{version}")
    assert all(len(bytes.fromhex(jar.sha256)) == 32 and jar.size > 0 for jar in jars)
    assert len({jar.path for jar in jars}) == len(jars)


@pytest.fixture
def small_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Jar:
    """A cache of the test's own, and a lock of one small jar that lies in the real one."""
    _, jars = install.locked()
    install.install()
    small = min(jars, key=lambda jar: jar.size)
    content = small.path.read_bytes()
    monkeypatch.setenv("STREAMER_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(install, "locked", lambda: ("4.2.1", (small,)))
    small.path.parent.mkdir(parents=True)
    small.path.write_bytes(content)
    return small


class Downloads:
    """Stands where a download would begin, and says what it was asked for."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def __call__(self, jar: Jar) -> None:
        self.asked.append(jar.coordinate)


def test_what_the_cache_has_is_not_downloaded(small_lock: Jar, monkeypatch: pytest.MonkeyPatch) -> None:
    downloads = Downloads()
    monkeypatch.setattr(install, "_fetch", downloads)
    assert install.install() == (small_lock.path,)
    assert downloads.asked == []


@pytest.mark.parametrize("damage", ["missing", "short", "altered"])
def test_what_is_missing_or_damaged_is_downloaded(
    small_lock: Jar, monkeypatch: pytest.MonkeyPatch, damage: str
) -> None:
    content = small_lock.path.read_bytes()
    if damage == "missing":
        small_lock.path.unlink()
    else:
        small_lock.path.write_bytes(content[:-1] if damage == "short" else content[:-1] + bytes([content[-1] ^ 1]))
    downloads = Downloads()
    monkeypatch.setattr(install, "_fetch", downloads)
    install.install()
    assert downloads.asked == [small_lock.coordinate]


@contextlib.contextmanager
def repository(content: bytes) -> Iterator[tuple[str, list[str]]]:
    """A web server on loopback that answers every path that ends in .jar with `content`."""
    import http.server
    import threading

    asked: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(200 if self.path.endswith(".jar") else 404)
            self.send_header("Content-Length", str(len(content) if self.path.endswith(".jar") else 0))
            self.end_headers()
            if self.path.endswith(".jar"):
                self.wfile.write(content)

        def log_message(self, *_: Any) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}", asked
        server.shutdown()
        thread.join()


def test_a_download_that_differs_from_the_lock_is_refused(small_lock: Jar, monkeypatch: pytest.MonkeyPatch) -> None:
    content = small_lock.path.read_bytes()
    small_lock.path.unlink()
    import jgo.maven._core as core

    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with repository(b"not " + content) as (address, asked):
        monkeypatch.setattr(core, "DEFAULT_REMOTE_REPOS", {"here": address})
        with pytest.raises(BrokerError, match=f"{small_lock.coordinate} cannot be downloaded: its SHA-256"):
            install.install()
        assert len([path for path in asked if path.endswith(".jar")]) == 3
        assert not small_lock.path.exists()
    with repository(content) as (address, _):
        monkeypatch.setattr(core, "DEFAULT_REMOTE_REPOS", {"here": address})
        assert install.install(show=True) == (small_lock.path,)
    assert install.is_intact(small_lock)


def test_no_network_is_a_clear_error(small_lock: Jar, monkeypatch: pytest.MonkeyPatch) -> None:
    small_lock.path.unlink()
    import jgo.maven._core as core

    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(core, "DEFAULT_REMOTE_REPOS", {"here": f"http://127.0.0.1:{free_port()}"})
    with pytest.raises(BrokerError, match=r"cannot be downloaded: .*An existing Kafka serves as well"):
        install.install()


def test_every_command_has_help_with_an_example() -> None:
    runner = CliRunner()
    for arguments in ([], ["start"], ["status"], ["stop"]):
        shown = runner.invoke(app, [*arguments, "--help"]).output
        assert "Example: streamer broker" in shown


@pytest.mark.broker
def test_topics_are_made_though_the_settings_are_those_of_a_cluster_with_tls_and_replicas(
    kafka_settings: Settings, tmp_path: Path
) -> None:
    of_another = load(
        prefix=f"{kafka_settings.prefix}own.", security_protocol="SASL_SSL", sasl_username="a", sasl_password="b",
        ssl_ca=tmp_path / "ca.pem", replication=3, min_insync_replicas=2,
    )  # fmt: skip
    here = BrokerStatus(running=True, folder=tmp_path, address=kafka_settings.bootstrap)
    assert ensure(of_another.model_copy(update=plain(here)))
