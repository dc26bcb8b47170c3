"""A rolling replacement for real: ``python -m tests.upgrade 3ea495c`` starts two workers of that commit on a real broker,
replaces them one by one by workers of this tree while calls come, goes back in the same way, and forward again.

The old source is taken out of git into a folder of its own and runs with this tree's packages; where the locked ones
differ, that is said. Afterwards every message that either version wrote is read by this one.

The way back is there only between versions that export one layout of state: an older worker refuses a newer layout, and
stops. Where the layouts differ that is said at once, and with ``--onward`` the way forward alone is tried.
"""

import argparse
import collections
import os
import subprocess
import sys
import tempfile
import uuid
from pathlib import Path

from confluent_kafka import Consumer, TopicPartition

from streamer import versions
from streamer.calls import codec
from streamer.errors import MessageError
from streamer.kafka import clients, topics
from streamer.kafka.broker import LocalBroker
from streamer.settings import load
from tests.stream.live import Worker
from tests.stream.rolling import roll

ROOT = Path(__file__).parent.parent


def git(*arguments):
    done = subprocess.run(["git", "-C", str(ROOT), *arguments], capture_output=True)
    if done.returncode:
        sys.exit(f"git {' '.join(arguments)}: {done.stderr.decode().strip()}")
    return done.stdout


def taken_out(ref, folder):
    """The source of a commit, and its short name."""
    subprocess.run(["tar", "-x", "-C", str(folder)], input=git("archive", ref), check=True)
    return git("rev-parse", "--short", ref).decode().strip()


def layouts(tree):
    """The layout of state that the workers of a source export, and those that they take in; before layouts were told, nothing."""
    if not (tree / "streamer/versions.py").exists():
        return None, ()
    asked = "from streamer import versions as v; print(v.STATE_LAYOUT, *getattr(v, 'LAYOUTS_READ', [v.STATE_LAYOUT]))"
    program = [sys.executable, "-c", asked]
    done = subprocess.run(program, cwd=tree, env=_environment(tree), check=True, capture_output=True, text=True)
    layout, *read = map(int, done.stdout.split())
    return layout, tuple(read)


def obstacle(of_old, of_new, *, onward):
    """Why workers cannot be replaced so, in words; None where they can. Arguments as `layouts` gives them."""
    (old, old_reads), (new, new_reads) = of_old, of_new
    if old not in new_reads:
        told = f"state of layout {old}" if old else "state that has no number of its own"
        return f"the old version exports {told}, this tree reads layouts {', '.join(map(str, new_reads))}: begin with an older tree"
    if not onward and new not in old_reads:
        return (
            f"this tree exports state of layout {new}, the old version reads {', '.join(map(str, old_reads))}: its workers stop where they "
            "gain a partition that a new one saved, so there is no way back (docs/upgrades.md); --onward tries the way forward alone"
        )
    return None


def read_again(settings):
    """How many of each kind of message were written, by topic, and those that this version cannot read."""
    named, found, unread = topics.Topics(settings), collections.Counter(), []
    decoders = {named.decisions: codec.decode_decision, named.evidence: codec.decode_evidence}
    reader = Consumer(clients.consumer_config(settings, f"{settings.group}-again", log_level=0))
    places = [TopicPartition(topic, number, 0) for topic in decoders for number in range(settings.partitions)]
    reader.assign(places)
    while sum(found.values()) < sum(reader.get_watermark_offsets(place)[1] for place in places):
        for record in reader.consume(1_000, 0.1):
            if record.error() is None:
                found[record.topic().removeprefix(settings.prefix)] += 1
                try:
                    decoders[record.topic()](record.value())
                except MessageError as error:
                    unread.append(f"{record.topic()}: {error}: {record.value()[:200]}")
    reader.close()
    return found, unread


def quantile(ordered, share):
    return ordered[min(int(len(ordered) * share), len(ordered) - 1)]


def main():
    asked = argparse.ArgumentParser(prog="python -m tests.upgrade", description=__doc__)
    asked.add_argument("ref", help="a commit, tag or branch to come from")
    asked.add_argument("--rate", type=int, default=1_000, help="set-ups a second")
    asked.add_argument("--rounds", type=int, default=1, help="how often it goes forward, back, and forward again")
    asked.add_argument(
        "--onward", action="store_true", help="do not go back: replace the old workers by new ones, once"
    )
    asked.add_argument("--log", help="a file for the workers' logs")
    given = asked.parse_args()
    with tempfile.TemporaryDirectory(prefix="streamer-upgrade-") as folder:
        tree = Path(folder) / "old"
        tree.mkdir()
        old = taken_out(given.ref, tree)
        if why := obstacle(layouts(tree), (versions.STATE_LAYOUT, versions.LAYOUTS_READ), onward=given.onward):
            sys.exit(f"{old}: {why}")
        if (tree / "constraints.txt").read_bytes() != (ROOT / "constraints.txt").read_bytes():
            print(f"note: {old} locks other packages; it runs with those of this tree")
        environment = {"STREAMER_SESSION_TIMEOUT_MS": "6000"}
        program = [sys.executable, "-m", "streamer", "compile"]
        subprocess.run(program, cwd=tree, env=_environment(tree), check=True, stdout=subprocess.DEVNULL)
        broker = LocalBroker(Path(folder) / "broker", port=0)
        settings = load(
            bootstrap=broker.start(dies_with_parent=True).address,
            prefix=f"upgrade-{uuid.uuid4().hex[:8]}.",
            partitions=4,
            session_timeout_ms=6_000,
            metrics_port=0,
        )
        try:
            topics.ensure(settings)
            before = old, lambda: Worker(settings, tree=tree, **environment)
            after = "this tree", lambda: Worker(settings, **environment)
            steps = [after] * 2 if given.onward else ([after] * 2 + [before] * 2 + [after] * 2) * given.rounds
            rolled = roll(settings, [before] * 2, steps, given.rate)
            found, unread = read_again(settings)
        finally:
            broker.stop(delete_data=True)
    for turn in rolled.turns:
        print(
            f"{turn.name:<24} joined in {turn.joining_ms} ms, longest wait {turn.longest_joining_ms}; "
            f"left in {turn.leaving_ms} ms, longest wait {turn.longest_leaving_ms}"
        )
    if given.log:
        Path(given.log).write_text(rolled.log, "utf-8")
    waits = rolled.waits_ms
    print(
        f"set-ups {rolled.published}, undecided {len(rolled.undecided)}, decided twice {len(rolled.repeated)}, differently {len(rolled.differing)}"
    )
    print(f"waits: p50 {quantile(waits, 0.5)}, p99 {quantile(waits, 0.99)}, longest {waits[-1]} ms")
    print(f"messages read again: {dict(found)}, unreadable {len(unread)}; dead letters: {rolled.refused or 'none'}")
    for one in unread[:5]:
        print(one)
    if rolled.undecided or rolled.differing or unread or rolled.refused or waits[-1] > settings.session_timeout_ms:
        sys.exit("the replacement was not clean")


def _environment(tree):
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("STREAMER_") or name == "STREAMER_CACHE"
    }
    return kept | {"PYTHONPATH": str(tree)}


if __name__ == "__main__":
    main()
