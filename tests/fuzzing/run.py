"""Targets, each in a process of its own: ``python -m tests.fuzzing.run WAY SEED`` (`__main__` starts it), where the way is
`guided` (by atheris) or `plain`. A line on the standard input is a target's name, how many inputs, and a folder.

The input in hand is in a file of the folder, so that it is known should the process die of it; a line of JSON on the
standard output tells how far it is. An input has a second of this thread's time, and all of them 256 MiB of memory beyond
what the first few took.
"""

import contextlib
import faulthandler
import json
import mmap
import os
import random
import sys
import time
import traceback
import zlib
from pathlib import Path

from tests.fuzzing import corpus

LONGEST = 131_072
"""Bytes of an input: twice what a record may have."""
_SECONDS = 1.0
_GROWTH = 256 << 20
_HANGS_AFTER_S = 120
_ANSWERS = 4_096
_POOL = 1_000
_GROWN = 4_000
"""Bytes of an input that others are made of: those of longer ones would soon all be long, and slow."""
_TOLD_EVERY = 4_096
_INSTRUMENTED = [
    *(f"streamer.{name}" for name in ("demotions", "desk", "doctor", "lab", "training", "checkpoint", "state_layout")),
    *(f"streamer.{name}" for name in ("calls.codec", "calls.numbers", "in_force", "models", "settings", "kafka.headers")),
    *("streamer.kafka.dead_letters", "streamer.stream.pointers", "tomllib"),
]  # fmt: skip
"""Not the compiled loops: numba reads their bytecode."""


class Watched:
    """A target's inputs: counted, timed, what they come to remembered, what they raise written down.

    `hangs_after_s` ends the process where no input has come to its end for so long; None, as for tests, ends nothing.
    """

    def __init__(self, target, count, folder, hangs_after_s=None):
        self.target, self.count, self.folder = target, count, folder
        self._hangs_after_s = hangs_after_s
        self.inputs = 0
        self.answers = {}
        self.found = {}
        self._began = time.monotonic()
        self._resident = 0
        self._fresh_at = self._told_at = 0.0
        with (folder / "current").open("w+b") as file:
            file.truncate(LONGEST + 8)
            self._current = mmap.mmap(file.fileno(), 0)

    def __call__(self, data):
        """What the input comes to; None after a finding."""
        self._current[: 8 + len(data)] = len(data).to_bytes(8, "little") + data
        if self.inputs % 64 == 0:
            self._look()
        self.inputs += 1
        began = time.perf_counter()
        try:
            answer = self.target.run(data)
        except BaseException as error:
            self._find(data, error)
            return None
        if time.perf_counter() - began > _SECONDS and self.inputs > 1:
            self._time(data)
        kept = self.answers.get(answer)
        if (kept is None and len(self.answers) < _ANSWERS) or (kept is not None and len(data) < len(kept)):
            self.answers[answer] = data
        return answer

    def _time(self, data):
        """Whether it is the input that takes long, or others on this machine."""
        began = time.thread_time()
        with contextlib.suppress(Exception):
            self.target.run(data)
        took = time.thread_time() - began
        if took > _SECONDS:
            self._find(data, TimeoutError(f"{took:.1f} s for {len(data)} bytes"))

    def tell(self):
        """How far it is, on the standard output."""
        corpus.write_down(self.folder / "kept", self.answers.values())
        told = {"inputs": self.inputs, "seconds": time.monotonic() - self._began, "answers": len(self.answers),
                "findings": list(self.found)}  # fmt: skip
        print(json.dumps(told), flush=True)

    def _look(self):
        now = time.monotonic()
        if now - self._fresh_at > 5:
            self._fresh_at = now
            if self._hangs_after_s is not None:
                faulthandler.dump_traceback_later(self._hangs_after_s, exit=True)
            resident = int(Path("/proc/self/statm").read_text().split()[1]) * mmap.PAGESIZE
            if self.inputs < 10_000 or not self._resident:
                self._resident = max(resident, self._resident)
            elif resident > self._resident + _GROWTH:
                self._resident = resident
                self._find(b"", MemoryError(f"grown to {resident >> 20} MiB by input {self.inputs}"))
        if now - self._told_at > 10:
            self._told_at = now
            self.tell()

    def _find(self, data, error):
        if isinstance(error, KeyboardInterrupt | SystemExit):
            raise error
        frames = traceback.extract_tb(error.__traceback__)
        where = next((f"{Path(f.filename).name}:{f.lineno}" for f in reversed(frames) if "streamer" in f.filename), "")
        what = f"{type(error).__name__} {where}"
        if what in self.found and len(self.found[what]) <= len(data):
            return
        self.found[what] = data
        name = f"finding-{self.target.name}-{zlib.crc32(what.encode()):08x}"
        (self.folder / name).write_bytes(data)
        (self.folder / f"{name}.txt").write_text("".join(traceback.format_exception(error)))


def plain(target, watched, seeds, draw):
    """Inputs by mutation alone."""
    from tests.fuzzing.mutation import mutated

    pool = list(seeds)
    known = set()
    for data in pool:
        known.add(watched(data))
    while watched.inputs < watched.count:
        data = (target.mutate or mutated)(draw, draw.choice(pool), pool, target.tokens)[:LONGEST]
        answer = watched(data)
        if answer not in known:
            known.add(answer)
            if len(data) > _GROWN:
                continue
            pool.append(data)
            if len(pool) > _POOL:
                del pool[draw.randrange(len(seeds), len(pool))]
    watched.tell()


def guided(target, watched, seeds, draw):
    """Inputs by libFuzzer, which mutates them by turns with us; never comes back."""
    import atheris

    from tests.fuzzing.mutation import mutated

    first = [atheris._reserve_counter() for _ in range(_ANSWERS)]
    own = target.mutate or mutated

    def one(data):
        atheris._trace_branch(first[hash(watched(data)) % _ANSWERS])
        if watched.inputs == watched.count:
            watched.tell()

    def mutate(data, most, _):
        if draw.random() < (0.1 if target.mutate else 0.5):
            return atheris.Mutate(data, most)
        return own(draw, data, seeds, target.tokens)[:most]

    folder = watched.folder / "seeds"
    folder.mkdir(exist_ok=True)
    for number, data in enumerate(seeds):
        (folder / str(number)).write_bytes(data)
    (watched.folder / "units").mkdir(exist_ok=True)
    asked = [f"-runs={watched.count}", f"-max_len={LONGEST}", "-len_control=0", "-verbosity=0", "-rss_limit_mb=4096",
             f"-seed={draw.randrange(1, 2**31)}", f"-timeout={_HANGS_AFTER_S}", f"-artifact_prefix={watched.folder}/",
             str(watched.folder / "units"), str(folder)]  # fmt: skip
    atheris.Setup([sys.argv[0], *asked], one, custom_mutator=mutate)
    atheris.Fuzz()


def job(target, way, count, seed, folder):
    """Run a target; findings and what is worth keeping are left in the folder."""
    seeds = [*target.seeds(), *corpus.read(target.name), *corpus.written_down(folder.parent / "guided" / "kept")]
    watched = Watched(target, count, folder, _HANGS_AFTER_S)
    draw = random.Random(f"{target.name} {seed}")
    (guided if way == "guided" else plain)(target, watched, seeds, draw)


def main(way, seed):
    """Jobs as they are asked for, each in a fork, so that a target may end its process without ending the others."""
    with contextlib.ExitStack() as importing:
        if way == "guided":
            import atheris

            importing.enter_context(atheris.instrument_imports(include=_INSTRUMENTED))
        from tests.fuzzing.targets import TARGETS
    for asked in sys.stdin:
        name, count, folder = asked.split()
        child = os.fork()
        if not child:
            job(TARGETS[name], way, int(count), seed, Path(folder))
            os._exit(0)
        print(f"ended {os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
