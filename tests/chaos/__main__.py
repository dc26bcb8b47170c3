"""``make chaos``, or ``python -m tests.chaos --seed 7 kills freezes``: faults under load, each on topics of its own.

After each: every set-up has a decision, no call two different ones, and what the workers saved is what one undisturbed
engine holds that judges the same log. Prints a table; with ``--write`` into docs/reliability.md, between its marks.
"""

import argparse
import os
import platform
import random
import re
import sys
import tempfile
import time
import uuid
from pathlib import Path

from streamer.errors import StreamerError
from streamer.kafka.broker import LocalBroker
from streamer.settings import load
from tests.chaos.faults import OPTIONS, SCENARIOS, TIMES
from tests.chaos.field import Field

PAGE = Path(__file__).parents[2] / "docs/reliability.md"
HEAD = (
    "| what was done | faults | set-ups | undecided | two different verdicts | windows and counters that differ | decided twice alike | longest silence of a partition | longest from the last fault to a decision | peak of a worker |\n"
    "|---|---|---|---|---|---|---|---|---|---|\n"
)


def row(found):
    told = SCENARIOS[found.name].__doc__.strip().rstrip(".")
    return (
        f"| {told} | {found.faults} | {found.setups:,} | {found.undecided} | {found.differing} | {len(found.windows)} | "
        f"{found.again} | {found.silence_s:.1f} s | {found.recovery_s:.1f} s | {found.peak_mib:,.0f} MiB |\n"
    )


def run(name, seed, broker, times):
    """One scenario; gives its account."""
    prefix = f"{name.replace('_', '-')}-{uuid.uuid4().hex[:6]}."
    settings = load(
        bootstrap=broker.bootstrap, prefix=prefix, partitions=4, group=f"{prefix}scorer", session_timeout_ms=1_500
    )
    field = Field(settings, seed, **OPTIONS.get(name, {}))
    try:
        with field:
            SCENARIOS[name](field, broker, times)
            field.wait(1.0, 1.0)
            for worker in field.workers:
                worker.says("partitions gained")
        return field.account(name)
    finally:
        for worker in field.workers:
            worker.kill()


def main():
    asked = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    asked.add_argument("scenarios", nargs="*", default=list(SCENARIOS), help=f"of {', '.join(SCENARIOS)}")
    asked.add_argument(
        "--seed", type=int, default=random.randrange(10**6), help="makes a run again as far as it can be"
    )
    asked.add_argument("--times", type=int, default=0, help="faults of each scenario, instead of its own number")
    asked.add_argument("--write", action="store_true", help="put the table into docs/reliability.md")
    told = asked.parse_args()
    if unknown := set(told.scenarios) - set(SCENARIOS):
        asked.error(f"unknown scenarios {sorted(unknown)}; known are {', '.join(SCENARIOS)}")
    print(f"seed {told.seed}", flush=True)
    lines, sound = [], True
    with tempfile.TemporaryDirectory(prefix="streamer-chaos-") as folder:
        broker = LocalBroker(Path(folder), port=0, heap="512m")
        broker.start(dies_with_parent=True, show=True)
        broker = LocalBroker(Path(folder), port=int(broker.bootstrap.rpartition(":")[2]), heap="512m")
        try:
            for name in told.scenarios:
                began = time.monotonic()
                found = run(name, told.seed, broker, told.times or TIMES[name])
                lines.append(row(found))
                sound &= found.sound
                print(f"{time.monotonic() - began:4.0f} s {lines[-1]}", end="", flush=True)
                for difference in found.windows:
                    print(f"       {difference}", flush=True)
        finally:
            broker.stop(delete_data=True)
    table = HEAD + "".join(lines)
    if told.write:
        machine = f"Seed {told.seed}, {len(os.sched_getaffinity(0))} cores that also hold the broker, Python {platform.python_version()}."
        page = PAGE.read_text("utf-8")
        PAGE.write_text(
            re.sub(r"(?s)(<!-- chaos -->\n).*(<!-- /chaos -->)", lambda m: f"{m[1]}{machine}\n\n{table}{m[2]}", page),
            "utf-8",
        )
    print(f"\n{table}\n{'all sound' if sound else 'NOT SOUND'}")
    return 0 if sound else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except StreamerError as error:
        sys.exit(f"error: {error}")
