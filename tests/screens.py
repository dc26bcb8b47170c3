"""The screens in docs/: every fenced block there that begins with `$ ` is what its commands print on a real broker.

`python -m tests.screens` runs them all and writes what they print into the pages; the tests compare its shape. What has to
happen between two commands (calls that are published, a worker that runs) stands here, in the scene of each page.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path

import orjson
from confluent_kafka.admin import NewTopic

from streamer.calls.codec import encode
from streamer.kafka import clients, topics
from streamer.kafka.broker import LocalBroker
from streamer.kafka.logs import read
from streamer.settings import load
from streamer.signals.casebook import Casebook
from streamer.signals.hot import Hot
from tests.stream.live import Calls, Worker, setup, wait_until

ROOT = Path(__file__).parent.parent
BLOCK = re.compile(r"^```\n(?=\$ )(.*?)^```$", re.MULTILINE | re.DOTALL)
CALLER = "+77010000007"


class Scene:
    """A broker of its own, a folder where commands run, and what happens before some of them: (beginning, what) in `before`."""

    def __init__(self, folder, stack):
        self.folder, self.stack = folder, stack
        broker = LocalBroker(folder / "broker", port=0)
        stack.callback(broker.stop, delete_data=True)
        address = broker.start(dies_with_parent=True).address
        self.settings = load(bootstrap=address, partitions=4, session_timeout_ms=1_500)
        self.before = ()

    @property
    def env(self):
        """Of a shell that finds `streamer`, the broker, and no setting of whoever runs this."""
        tools = self.folder / "bin"
        tools.mkdir(exist_ok=True)
        (tools / "streamer").write_text(f'#!/bin/sh\nexec {sys.executable} -m streamer "$@"\n')
        (tools / "streamer").chmod(0o755)
        kept = {name: text for name, text in os.environ.items() if not name.startswith("STREAMER_")}
        kept |= {name: text for name, text in os.environ.items() if name == "STREAMER_CACHE"}
        own = {"STREAMER_BOOTSTRAP": self.settings.bootstrap, "STREAMER_PARTITIONS": "4", "PYTHONPATH": str(ROOT)}
        own |= {"COLUMNS": "100"}
        return kept | own | {"PATH": f"{tools}{os.pathsep}{os.environ['PATH']}"}

    def run(self, command):
        """What a command prints, on both ways out."""
        for beginning, happen in self.before:
            if command.startswith(beginning):
                happen()
        env = self.env
        if command.startswith("streamer demo"):  # as a newcomer has it, who has set nothing
            env = {
                name: text for name, text in env.items() if not name.startswith("STREAMER_") or name == "STREAMER_CACHE"
            }
        done = subprocess.run(
            ["bash", "-c", command],
            cwd=self.folder,
            env=env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=180,
        )
        assert "Traceback" not in done.stdout, (command, done.stdout)
        assert done.returncode in {0, 1}, (command, done.stdout)
        port = self.settings.bootstrap.rpartition(":")[2]
        assert "ERROR" not in done.stdout, (command, done.stdout)
        return done.stdout.replace(f"127.0.0.1:{port}", "127.0.0.1:9092").replace(f"{self.folder}/", "")

    def works(self):
        """Topics and a worker that judges."""
        topics.ensure(self.settings)
        self.worker = self.stack.enter_context(Worker(self.settings))
        self.calls = Calls(self.settings)
        self.judged("warm", "+77019999999")

    def judged(self, call_id, caller, **more):
        """The action on a call."""
        self.calls.publish(setup(call_id, caller, **more))
        assert not self.calls.until({call_id}, 180), self.worker.log  # the first one may wait for a compiler
        return self.calls.decided[call_id][0][0]["action"]

    def register(self, *operators):
        for operator in operators:
            value = orjson.dumps({"operator": operator, "ranges": ["+7701"], "publishes_originations": True})
            self.calls.producer.produce(self.calls.topics.operators, key=operator, value=value)
        self.calls.producer.flush(10)


def desk(scene):
    """An analyst and one line of op-a; a record twice in a wrong partition and one that is broken."""
    scene.works()
    scene.register("op-a")

    def blocked():
        wait_until(lambda: scene.judged(f"probe-{time.monotonic_ns()}", CALLER) == "block", 30)
        scene.judged("call-2", CALLER)

    def bury():
        calls, letters = scene.calls, topics.dead_letter(scene.calls.topics.calls)
        strayed = orjson.dumps(setup("strayed", "+77010000009")), [("rekeyed", b"1")]
        for number, (value, headers) in enumerate((strayed, (b"{broken", [])), 1):
            calls.producer.produce(calls.topics.calls, key=b"x", value=value, headers=headers, partition=0)
            calls.producer.flush(10)
            wait_until(lambda: len(list(read(scene.settings, letters))) == number, 30, lambda: scene.worker.log)

    scene.before = (("streamer why", blocked), ("streamer dlq show", bury))


def doctor(scene):
    """Topics that somebody else made; traffic of three operators, of which op-c uses wrong keys; a sample with flaws."""
    admin = clients.admin(scene.settings)
    wrong = NewTopic("calls.v1", 4, 1, config={"retention.ms": "604800000", "message.timestamp.type": "CreateTime"})
    admin.create_topics([wrong])["calls.v1"].result()
    others = [
        NewTopic(spec.name, spec.partitions, 1, config=spec.config)
        for spec in topics.Topics(scene.settings).specs
        if spec.name not in {"calls.v1", "lists.v1"}
    ]
    for made in admin.create_topics(others).values():
        made.result()
    wait_until(lambda: {one.topic for one in others} <= admin.list_topics(timeout=10).topics.keys(), 30)

    def traffic():
        scene.works()
        live = ["-m", "streamer", "simulate", "--to", "kafka", "--rate", "60", "--seconds", "120", "--subscribers", "20000"]  # fmt: skip
        simulated = subprocess.Popen([sys.executable, *live], env=scene.env, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)  # fmt: skip
        scene.stack.callback(simulated.wait)
        scene.stack.callback(simulated.terminate)
        wait_until(lambda: sum(1 for _ in read(scene.settings, "calls.v1")) > 500, 60)
        for number in range(4):
            scene.calls.publish(setup(f"c-{number}", f"8701000002{number}", operator="op-c"))
        scene.calls.producer.flush(10)

    def end(call_id, caller):
        event = setup(call_id, caller, ring_ms=900, talk_ms=0) | {"type": "end"}
        return {name: value for name, value in event.items() if name != "ingress"}

    def sample():
        lines = [
            setup("a", "+77010000001"),
            {"callId": "b", **{k: v for k, v in setup("b", "+77010000002").items() if k != "call_id"}, "at": "2025-11-24T03:00:00Z"},
            {**setup("c", "+77010000003"), "type": "setupp"},
            setup("d", "+77010000004"),
            end("a", "+77010000005"),
            end("d", "+77010000004"),
        ]  # fmt: skip
        (scene.folder / "sample.jsonl").write_bytes(b"".join(orjson.dumps(line) + b"\n" for line in lines))

    scene.before = (
        ("streamer doctor sample", sample),
        ("streamer doctor --live", lambda: None),
        ("streamer doctor", traffic),
    )


def replay(scene):
    """The mapping of the page, and a file with a thousand calls and three lines that are of no use."""
    page = (ROOT / "docs/replay.md").read_text("utf-8")
    (mapping,) = re.findall(r"^```toml\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    (scene.folder / "mine.toml").write_text(mapping)
    rows = ["begun,from,to,seconds,way"]
    for number in range(1_003):
        begun = f"2026-03-02T08:{number // 60 % 60:02}:{number % 60:02}"
        rows.append(f"{begun},sub-{number % 40},+7727{2_000_000 + number * 37},{number % 7 * 20},out")
    rows[8] = rows[8].replace("2026-03-02T", "soon ")
    rows[11] = "2026-03-02T08:00:10,sub-7"
    rows[310] = rows[310].replace(rows[310].split(",")[0], "")
    (scene.folder / "calls.csv").write_text("\n".join(rows) + "\n")


def cases(scene):
    """A trunk whose calls a worker has just blocked, and a device with many SIMs; what a casebook makes of them."""
    scene.works()
    numbers = [f"+7703000000{number}" for number in range(4)]
    for number, caller in enumerate(numbers):
        scene.judged(f"camp-{number}@igw", caller, trunk="igw-ala-01", ingress="international")
    book, now = Casebook(), scene.calls.decided["camp-0@igw"][0][0]["at"]
    box = {"sims": 14, "calls": 118, "victims": 112, "incoming": 2, "first_at": now - 7_200_000}
    campaign = {"calls": 240, "bursts": 6, "burst": 211}
    for case in (
        *book.heed(Hot("imei", "356938035643809", now - 3_600_000, box, ["sb-1@bts", "sb-2@bts"], ["op-a", "op-b"])),
        *book.heed(
            Hot("trunk", "op-a/igw-ala-01", now, campaign, [f"camp-{number}@igw" for number in range(4)], ["op-a"])
        ),
    ):
        scene.calls.producer.produce(scene.calls.topics.cases, key=case.case, value=encode(case))
    scene.calls.producer.flush(10)


_HEADER = (
    "eyJhbGciOiJFUzI1NiIsInBwdCI6InNoYWtlbiIsInR5cCI6InBhc3Nwb3J0IiwieDV1IjoiaHR0cHM6Ly9jZXJ0LmV4YW1wbGUub3JnL3Bhc3Nwb3J0LnBlbSJ9"
    ".eyJhdHRlc3QiOiJBIiwiZGVzdCI6eyJ0biI6WyI3NzI3MjM0NTY3OCJdfSwiaWF0IjoxNzYzOTUzMTIzLCJvcmlnIjp7InRuIjoiNzcwMTEyMzQ1NjcifSwib3JpZ2lkIjoiMTIzZTQ1NjctZTg5Yi0xMmQzLWE0NTYtNDI2NjU1NDQwMDAwIn0"
    ".agFh4KL-Osk9rcSzIzfbyHyoRhuUE9ggFn7Utqp3YoPILDPpLYX1kmfNspk6pHti1qcTxGlGGk9frBffMuhezQ"
    ";info=<https://cert.example.org/passport.pem>;alg=ES256;ppt=shaken"
)
"""An Identity header of SHAKEN with 64 bytes of anything for a signature."""


def running(scene):
    """The topics, what the repository holds of generated files, and a header."""
    topics.ensure(scene.settings)
    (scene.folder / "header.txt").write_text(_HEADER)
    for name in ("schemas", "deploy", "docs"):
        (scene.folder / name).symlink_to(ROOT / name)


SCENES = {"cases": cases, "desk": desk, "doctor": doctor, "replay": replay, "running": running}
"""Page to its scene."""


@contextmanager
def _scene(page):
    with tempfile.TemporaryDirectory(prefix="streamer-screens-") as folder, ExitStack() as stack:
        scene = Scene(Path(folder), stack)
        SCENES[page](scene)
        yield scene


def commands(block):
    """The commands of a block, without what they printed."""
    return [line.removeprefix("$ ") for line in block.splitlines() if line.startswith("$ ")]


def made_anew(page):
    """The text of a page with every screen as it is now."""
    with _scene(page) as scene:

        def shown(found):
            return "```\n" + "".join(f"$ {one}\n{scene.run(one)}" for one in commands(found[1])) + "```"

        return BLOCK.sub(shown, (ROOT / f"docs/{page}.md").read_text("utf-8"))


CHANGING = (
    (r"^actions: .*(?=; honest calls blocked)", "actions"),
    (r"^(model (?=\S+ after )|model: none yet|reasons: |blocked ).*", r"\1"),
    (r"^│.*│$", "│"),
    (r"[━─]+", "─"),
)
"""What the demonstration shows of one run and not of another, and what stands for it: which calls came first hangs on the machine."""


def shape(text):
    """What does not change from run to run: of a doctor's finding which check it is of, of the demonstration's tables the
    heads, of all else the words.
    """
    lines = []
    for line in text.splitlines():
        if found := re.match(r"(?:ok|WARNING|FAILED|skipped) +(.{12}) ", line):
            lines.append(found[1])
        elif not re.match(r" {23}-> ", line):
            bare = re.sub(r"\d{4}-\d\d-\d\dT[\d:.]+Z", "TIME", line)
            bare = re.sub(r"\b[0-9a-f]{64}\b", "DIGEST", bare)
            for changing, instead in CHANGING:
                bare = re.sub(changing, instead, bare)
            bare = re.sub(r" +", " ", re.sub(r"[+-]?\d+(?:[.,]\d+)*", "0", bare)).rstrip()
            if bare != "│" or lines[-1] != "│":
                lines.append(bare)
    return lines


if __name__ == "__main__":
    asked = argparse.ArgumentParser(description=__doc__, epilog="Example: python -m tests.screens desk")
    asked.add_argument("pages", nargs="*", choices=[[], *SCENES], metavar="page", help=f"of {', '.join(SCENES)}")
    for name in asked.parse_args().pages or SCENES:
        text = made_anew(name)
        (ROOT / f"docs/{name}.md").write_text(text, "utf-8")
        print(f"docs/{name}.md: {len(BLOCK.findall(text))} screens")
