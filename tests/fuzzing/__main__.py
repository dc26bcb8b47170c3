"""``python -m tests.fuzzing INPUTS [--keep] [TARGET…]``: so many inputs over all targets (or those named), one after another.

Prints a table; ends with an error when anything was found. `--keep` adds what is worth keeping to the corpus.
"""

import argparse
import contextlib
import json
import random
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

from tests.fuzzing import corpus
from tests.fuzzing.run import LONGEST
from tests.fuzzing.targets import TARGETS

HEAD = "| target | what holds for any bytes | inputs | of them guided | a second | findings |\n|---|---|---:|---:|---:|---:|"
GUIDED = 50
"""One input of so many is guided by atheris, where it is installed: what it comes upon, the others go on from."""


class Runner:
    """A process that forks for each target; `errors` is where what they say beside goes."""

    def __init__(self, way, seed, errors):
        self.way = way
        self._errors = errors
        asked = [sys.executable, "-X", "faulthandler", "-m", "tests.fuzzing.run", way, str(seed)]
        with errors.open("wb") as said:
            self._run = subprocess.Popen(asked, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=said, text=True)

    def run(self, name, count, folder):
        """Give so many inputs to a target; gives what it told last."""
        folder.mkdir(parents=True)
        before = self._errors.stat().st_size
        told, code = {"inputs": 0, "seconds": 0.0, "answers": 0, "findings": []}, None
        self._run.stdin.write(f"{name} {count} {folder}\n")
        self._run.stdin.flush()
        for line in self._run.stdout:
            if line.startswith("ended "):
                code = int(line.split()[1])
                break
            if line.startswith("{"):
                told = json.loads(line)
                print(f"  {self.way}: {told['inputs']:,} of {count:,}, {len(told['findings'])} findings", flush=True)
        if code or told["inputs"] < count:
            current = (folder / "current").read_bytes()
            length = min(int.from_bytes(current[:8], "little"), LONGEST)
            (folder / "finding-died").write_bytes(current[8 : 8 + length])
            (folder / "finding-died.txt").write_bytes(self._errors.read_bytes()[before:])
            told["findings"].append(f"ended with {code}")
        return told

    def __enter__(self):
        return self

    def __exit__(self, *_):
        with self._run:
            self._run.stdin.close()


def main(count, names, *, keep):
    """Run the targets; gives the number of findings."""
    chosen = [TARGETS[name] for name in names or TARGETS]
    whole = sum(target.share for target in chosen)
    seed = random.SystemRandom().randrange(10**6)
    base = Path(tempfile.mkdtemp(prefix="streamer-fuzzing-"))
    ways = ["guided", "plain"] if find_spec("atheris") else ["plain"]
    print(f"seed {seed}, findings in {base}\n{HEAD}", flush=True)
    inputs = findings = 0
    with contextlib.ExitStack() as running:
        runners = {way: running.enter_context(Runner(way, seed, base / way)) for way in ways}
        for target in chosen:
            asked = -(-count * target.share // whole)
            guided = 0 if target.compiled or "guided" not in runners else -(-asked // GUIDED)
            done, seconds, found = 0, 0.001, []
            for way, part in (("guided", guided), ("plain", asked - guided)):
                if part:
                    folder = base / target.name / way
                    told = runners[way].run(target.name, part, folder)
                    done, seconds = done + told["inputs"], seconds + told["seconds"]
                    found += [f"{finding}: {folder}" for finding in told["findings"]]
            if keep:
                folder = base / target.name
                bad = [path.read_bytes() for path in folder.glob("*/finding-*") if path.suffix != ".txt"]
                corpus.keep(
                    target.name, bad, [data for path in folder.glob("*/kept") for data in corpus.written_down(path)]
                )
            for finding in found:
                print(f"  FOUND {finding}", flush=True)
            inputs, findings = inputs + done, findings + len(found)
            line = (
                f"| {target.name} | {target.property} | {done:,} | {guided:,} | {done / seconds:,.0f} | {len(found)} |"
            )
            print(line, flush=True)
    print(f"| together | | {inputs:,} | | | {findings} |")
    return findings


def _asked():
    asked = argparse.ArgumentParser(description=__doc__, epilog="Example: python -m tests.fuzzing 100000 calls")
    asked.add_argument("inputs", type=int, help="so many, over all targets together")
    asked.add_argument("targets", nargs="*", choices=[[], *TARGETS], metavar="target", help=f"of {', '.join(TARGETS)}")
    asked.add_argument("--keep", action="store_true", help="add what is worth keeping to the corpus")
    return asked.parse_args()


if __name__ == "__main__":
    given = _asked()
    sys.exit(1 if main(given.inputs, given.targets, keep=given.keep) else 0)
