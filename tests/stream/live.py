"""Workers (and mergers) as processes of their own, calls published to them and decisions read, for tests on a real broker."""

import os
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request

import orjson
from confluent_kafka import Consumer, TopicPartition

from streamer.kafka import clients, topics


class Worker:
    """A worker's process, of the code in `tree` (this one by default); its log is read all the while, so that its pipe never fills."""

    def __init__(self, settings, *options, judge=None, tree=None, command="worker", **more):
        env = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith("STREAMER_") or name == "STREAMER_CACHE"
        }
        own = {
            "STREAMER_BOOTSTRAP": settings.bootstrap,
            "STREAMER_PREFIX": settings.prefix,
            "STREAMER_PARTITIONS": str(settings.partitions),
            "STREAMER_GROUP": settings.group,
            "STREAMER_SESSION_TIMEOUT_MS": str(settings.session_timeout_ms),
            "STREAMER_METRICS_PORT": "0",
            "STREAMER_SIGNALS_METRICS_PORT": "0",
            "STREAMER_SIGNALS_GROUP": settings.signals_group,
            "STREAMER_MAX_CALLERS": "100000",
            "STREAMER_LOG_FORMAT": "text",
            "STREAMER_SHED_LAG_S": "600",  # what is sampled comes, however busy the machine is
        }
        if tree is not None:
            own["PYTHONPATH"] = str(tree)
        program = ["-m", "streamer", command, *options]
        if judge:  # a module, or one of the judges
            program = ["-m", judge] if "." in judge else ["-m", "tests.stream.judges", judge]
        self.process = subprocess.Popen(
            [sys.executable, *program], env=env | own | more, cwd=tree, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
        )  # fmt: skip
        self.pid = self.process.pid
        self._lines = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self):
        with self.process.stderr as pipe:
            self._lines.extend(pipe)

    @property
    def log(self):
        """What it has logged so far."""
        return "".join(self._lines)

    def says(self, text, *, times=1):
        """Wait until it has logged a text."""
        wait_until(lambda: self.log.count(text) >= times or self.process.poll() is not None, tell=lambda: self.log)
        assert self.log.count(text) >= times, self.log

    def send(self, number):
        self.process.send_signal(number)

    def stop(self):
        """Ask it to drain; gives its exit code."""
        if self.process.poll() is None:
            self.send(signal.SIGTERM)
        return self.ended(40)

    def ended(self, seconds=60):
        """Wait for its end; gives its exit code."""
        code = self.process.wait(seconds)
        self._reader.join(10)
        return code

    def kill(self):
        """Whatever a failed test left behind goes."""
        if self.process.poll() is None:
            self.process.kill()
        self.ended()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.kill()


def wait_until(happened, seconds=60, tell=str, each_s=0.02):
    end = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < end, f"did not happen in {seconds} s: {tell()}"
        time.sleep(each_s)


def setup(call_id, caller, at=None, callee="+77272345678", **more):
    return {"type": "setup", "call_id": call_id, "at": at or int(time.time() * 1000), "operator": "op-a", "caller": caller,
            "callee": callee, "ingress": "national", **more}  # fmt: skip


class Calls:
    """A publisher and a reader of decisions."""

    def __init__(self, settings):
        self.topics = topics.Topics(settings)
        self.settings = settings
        self.partitions = settings.partitions
        self.producer = clients.producer(settings, log_level=0)
        self.reader = Consumer(clients.consumer_config(settings, f"{settings.group}-reader", log_level=0))
        self.reader.assign([TopicPartition(self.topics.decisions, p, 0) for p in range(settings.partitions)])
        self.decided = {}

    def publish(self, message, key=None, partition=None):
        value = message if isinstance(message, bytes) else orjson.dumps(message)
        place = {} if partition is None else {"partition": partition}
        while True:
            try:
                self.producer.produce(self.topics.calls, key=key or message["caller"], value=value, **place)
            except BufferError:
                self.producer.poll(0.05)
            else:
                self.producer.poll(0)
                return

    def until(self, wanted, seconds=60):
        """Read decisions until all the wanted call ids are there; gives those that are still missing."""
        self.producer.flush(30)
        end = time.monotonic() + seconds
        missing = set(wanted) - set(self.decided)
        while missing and time.monotonic() < end:
            missing -= self._take(self.reader.consume(1_000, 0.1))
        return missing

    def rest(self):
        """Read what has come beyond what was waited for."""
        while records := self.reader.consume(1_000, 1.0):
            self._take(records)

    def _take(self, records):
        """The call ids of the decisions among these."""
        found = set()
        for record in records:
            try:
                decision = orjson.loads(record.value() or b"") if record.error() is None else None
                call_id = decision["call_id"]
            except (orjson.JSONDecodeError, KeyError, TypeError):
                continue  # an error, or what was put there to poison it
            self.decided.setdefault(call_id, []).append((decision, record))
            found.add(call_id)
        return found

    def committed(self):
        """The group's offset of each partition, 0 before the first commit."""
        asking = Consumer(clients.consumer_config(self.settings, self.settings.group))
        places = [TopicPartition(self.topics.calls, p) for p in range(self.partitions)]
        found = [max(place.offset, 0) for place in asking.committed(places, timeout=10)]
        asking.close()
        return found


class Load:
    """Calls published all the while by a thread, so many a second."""

    def __init__(self, calls, rate, callers=3_000):
        self.published = set()
        self._calls, self._rate, self._callers = calls, rate, callers
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def _run(self):
        began, number = time.monotonic(), 0
        while not self._ending.is_set():
            for _ in range(20):
                self._calls.publish(setup(f"c{number}", f"+7701{number * 7919 % self._callers:07d}"))
                self.published.add(f"c{number}")
                number += 1
            self._ending.wait(max(0.0, began + number / self._rate - time.monotonic()))

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._ending.set()
        self._thread.join()


def read(settings, topic, partitions, seconds=60, wanted=1):
    reader = Consumer(clients.consumer_config(settings, f"{settings.group}-{topic}"))
    reader.assign([TopicPartition(topic, p, 0) for p in range(partitions)])
    found, end = [], time.monotonic() + seconds
    while len(found) < wanted and time.monotonic() < end:
        found += [record for record in reader.consume(1_000, 0.1) if record.error() is None]
    reader.close()
    return found


def get(port, path):
    """Status and body of a worker's page; (0, b"") when nobody listens yet."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()
    except OSError:
        return 0, b""
