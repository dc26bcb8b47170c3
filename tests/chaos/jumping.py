"""A worker whose wall clock jumps back and forth by up to an hour, every second: ``python -m tests.chaos.jumping``."""

import random
import time

from streamer.commands.worker import run
from streamer.settings import load

_true = time.time


def jumping(draw, state={"until": 0.0, "off": 0.0}):
    now = time.monotonic()
    if now > state["until"]:
        state.update(until=now + 1.0, off=draw.uniform(-3_600, 3_600))
    return _true() + state["off"]


if __name__ == "__main__":
    random_jumps = random.Random(1)
    time.time = lambda: jumping(random_jumps)
    run(load())
