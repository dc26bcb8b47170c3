"""A field of workers under load, faults done to it, and the account of what they cost."""

import itertools
import random
import signal
import time
from typing import NamedTuple

import psutil

from streamer.kafka import topics
from tests.stream import undisturbed
from tests.stream.live import Calls, Worker, wait_until
from tests.stream.mixed import EVIL, Mixed, account, control, rules

BLOCKED = {"list": "block", "match": "exact", "number": EVIL, "side": "caller"}


class Account(NamedTuple):
    """What a scenario came to; `silence_s` is the longest that decisions of any partition stood still around a fault, and
    `recovery_s` the longest from a fault to a partition's next decision without a fault between.
    """

    name: str
    faults: int
    setups: int
    undecided: int
    differing: int
    windows: list
    again: int
    silence_s: float
    recovery_s: float
    peak_mib: float

    @property
    def sound(self):
        """Nothing lost, nothing doubled, every window as it would have been."""
        return not (self.undecided or self.differing or self.windows)


class Field:
    """Workers on a broker, all of one prefix; `settings` are those of the tests."""

    def __init__(self, settings, seed, rate=800, workers=2, program=None, **environment):
        self.settings = settings
        self.draw = random.Random(seed)
        self.environment = {"STREAMER_CHECKPOINT_S": "0.5", **environment}
        self._program = program
        topics.ensure(settings)
        rules(settings)
        self.calls = Calls(settings)
        self.workers, self.faults, self.wrong, self._peak = [], [], [], 0.0
        self.load = Mixed(self.calls, rate, seed)
        for _ in range(workers):
            self.join()
        for worker in self.workers:
            worker.says("partitions gained")

    def __enter__(self):
        self.load.__enter__()
        return self

    def __exit__(self, *_):
        self.load.__exit__()

    def join(self):
        """One more worker."""
        self.workers.append(Worker(self.settings, judge=self._program, **self.environment))
        return self.workers[-1]

    def fault(self):
        """A fault happens now."""
        self.faults.append(time.time() * 1000)
        for worker in self.workers:
            try:
                self._peak = max(self._peak, psutil.Process(worker.pid).memory_info().rss / 2**20)
            except psutil.NoSuchProcess:
                pass

    def wait(self, least_s, most_s):
        """A random while."""
        time.sleep(self.draw.uniform(least_s, most_s))

    def pick(self):
        """A random worker, taken out."""
        return self.workers.pop(self.draw.randrange(len(self.workers)))

    def kill(self):
        """Kill a random worker, and put another one in its place."""
        self.fault()
        self.pick().kill()
        return self.join()

    def change_lists(self, turn):
        """Other verdicts from here on."""
        control(self.settings, self.calls.topics.lists, "k", None if turn % 2 else BLOCKED)

    def settled(self, seconds=120):
        """Wait until all that was published has its decision."""
        self.calls.producer.flush(60)
        missing = self.calls.until(set(self.load.published), seconds)
        assert not missing, f"{len(missing)} set-ups undecided after {seconds} s\n" + "\n".join(
            worker.log[-3_000:] for worker in self.workers
        )

    def frozen(self, seconds):
        """A random worker, stopped for a while and let go on."""
        victim = self.workers[self.draw.randrange(len(self.workers))]
        self.fault()
        victim.send(signal.SIGSTOP)
        time.sleep(seconds)
        victim.send(signal.SIGCONT)
        return victim

    def account(self, name):
        """End the workers in order, and look at everything that is left."""
        missing = self.calls.until(self.load.published, 120)
        try:
            for worker in self.workers:
                assert worker.stop() == 0, worker.log[-5_000:]
        finally:
            for worker in self.workers:
                worker.kill()
        self.calls.rest()
        engine, offsets = undisturbed.saved(self.settings)
        ends = {number: len(found) for number, found in undisturbed.log(self.settings, self.calls.topics.calls).items()}
        windows = [f"committed {offsets}, the log ends at {ends}"] if offsets != ends else []
        windows += self.wrong
        windows += account(self.settings, self.calls, engine)
        told = [
            {
                (d["action"], d["shadow_action"], tuple(d["reasons"]), d["policy"], d["model"])
                for d, _ in found
                if d["revises"] is by
            }
            for found in self.calls.decided.values()
            for by in (False, True)
        ]
        sources = [
            (*record.headers()[1], record.partition(), decision["revises"])
            for found in self.calls.decided.values()
            for decision, record in found
        ]
        return Account(
            name, len(self.faults), len(self.load.published), len(missing), sum(len(each) > 1 for each in told), windows,
            len(sources) - len(set(sources)), *self._silence(), self._peak,
        )  # fmt: skip

    def _silence(self):
        """(longest silence of a partition around a fault, longest from the last fault in one to its end), in seconds."""
        longest = recovery = 0.0
        for records in undisturbed.log(self.settings, self.calls.topics.decisions).values():
            at = [record.timestamp()[1] for record in records]
            for before, after in itertools.pairwise(at):
                within = [fault for fault in self.faults if before - 500 <= fault <= after + 500]
                if within:
                    longest = max(longest, after - before)
                    recovery = max(recovery, after - max(before, *within))
        return longest / 1000, recovery / 1000


def ready(worker, seconds=60):
    """Wait until a worker has partitions, all of them restored."""
    wait_until(lambda: " goes on at " in worker.log, seconds, lambda: worker.log)
