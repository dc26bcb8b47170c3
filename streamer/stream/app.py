"""The Faust app of a scoring worker: `create_app(settings)`, or ``faust -A streamer.stream.app worker``."""

from __future__ import annotations

import asyncio
import gc
import logging
import sys
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Final

import faust
from faust.app.base import BootStrategy
from faust.tables.manager import TableManager

from streamer import versions
from streamer.engine import Engine
from streamer.kafka.topics import Topics
from streamer.settings import Settings, load
from streamer.stream import compiling
from streamer.stream.event_loop import install
from streamer.stream.health import Health
from streamer.stream.judge import Judge, KeepsState
from streamer.stream.offsets import Offsets
from streamer.stream.scoring import Scoring
from streamer.stream.transport import Transport
from streamer.warming import warm

log = logging.getLogger("streamer.app")

_SWITCH_S: Final = 0.0005
"""After which another thread has to let the event loop's go on: calls wait for that one, and it lets the interpreter go with each poll
and message; with Python's 5 ms each checkpoint that was being packed cost some calls as much."""


class Boot(BootStrategy):
    """Faust's own web server stays shut, whatever its command line says; ours is `streamer.stream.health`."""

    enable_web = False


class NoTables(TableManager):
    """Faust's manager of tables, of which there are none: by itself it waits a second for some to be declared."""

    async def on_start(self) -> None:
        """Nothing is waited for."""
        await self._update_channels()
        await self.recovery.start()


class App(faust.App):
    """Faust's app with our transport: drains before agents stop, and keeps why it failed in `failure`."""

    BootStrategy = Boot

    streamer_settings: Settings
    offsets: Offsets
    failure: BaseException | None = None
    scoring: Scoring | None = None
    health: Health | None = None

    def on_init_dependencies(self) -> Any:
        """Faust's monitor is told of no message: nobody asks it, and it would take a twentieth of a batch's time."""
        found = super().on_init_dependencies()
        self.sensors.remove(self.monitor)
        return found

    def on_rebalance_start(self) -> None:
        """The one that Faust is shown. It would warn of one at which no sensor has anything to remember."""
        super().on_rebalance_start()
        self._rebalancing_sensor_state = {None: None}

    def fail(self, reason: BaseException) -> None:
        """End the worker with an error; called on the event loop, by whoever cannot go on."""
        if self.failure is None:
            self.failure = reason
            log.error("the worker stops: %s: %s", type(reason).__name__, reason)
            consumer: Any = self._consumer
            if consumer is not None:
                consumer.abandon()
            self.loop.create_task(self.crash(reason))

    def held_up(self) -> bool:
        """Whether deliveries wait for brokers that do not answer."""
        return self.scoring is not None and self.scoring.deliveries.trouble is not None

    def _create_directories(self) -> None:
        """Nothing is ever kept in Faust's folders, so none is made."""

    async def _stop_consumer(self) -> None:
        consumer: Any = self._consumer
        if consumer is not None:
            await consumer.drain()  # before Faust clears its queues
        await super()._stop_consumer()

    async def on_stop(self) -> None:
        """Drain, then end what is ours."""
        await super().on_stop()
        if self.scoring is not None:
            await self.scoring.close(0 if self.failure else self.streamer_settings.drain_s)
        if self.health is not None:
            self.health.close()


def create_app(settings: Settings, judge: Judge | None = None) -> App:
    """The app of one worker; `judge` stands in for the engine in benchmarks and tests."""
    made = App(
        settings.group,
        broker=[f"confluent://{server.strip()}" for server in settings.bootstrap.split(",")],
        store="memory://",
        topic_allow_declare=False,
        topic_disable_leader=True,
        web_enabled=False,
        web_bind="127.0.0.1",
        stream_wait_empty=False,
        stream_buffer_maxsize=4096,
        TableManager=NoTables,
    )
    made.streamer_settings = settings
    # Faust would find it by the entry point too, but not in a tree that was never installed.
    made.transport = made.producer_transport = Transport(made.conf.broker_consumer, made, loop=None)
    if judge is None:
        compiling.ahead()
        warm()  # a compiler at work on the first call would make it wait
    judging = judge if judge is not None else Engine.of(settings)
    made.offsets = Offsets(checkpointed=isinstance(judging, KeepsState))
    calls = made.topic(Topics(settings).calls, acks=False)

    begun = asyncio.Event()

    @made.task
    async def begin() -> None:
        try:
            scoring = Scoring(settings, judging, made)
            made.health = Health(
                settings.metrics_host,
                settings.metrics_port,
                scoring.metrics.registry,
                lambda: {"failure": str(made.failure)} if made.failure else {},
                scoring.not_ready,
            )
            log.info("%s", versions.line())
            log.info("metrics on http://%s:%d/metrics", settings.metrics_host, made.health.port)
            gc.collect()
            gc.freeze()
            sys.setswitchinterval(_SWITCH_S)
            made.scoring = scoring
        except Exception as reason:
            made.fail(reason)
        finally:
            begun.set()

    async def guarded(work: Callable[[Scoring], Awaitable[None]]) -> None:
        """Do a part of scoring once that has begun, if it has; whatever goes wrong ends the worker."""
        await begun.wait()
        if made.scoring is not None:
            try:
                await work(made.scoring)
            except Exception as reason:
                made.fail(reason)

    @made.task
    async def follow_control() -> None:
        await guarded(Scoring.follow_control)

    @made.task
    async def tick() -> None:
        await guarded(Scoring.tick)

    @made.task
    async def save() -> None:
        await guarded(Scoring.save)

    @made.agent(calls)
    async def score(stream: Any) -> None:
        async for event in stream.noack().events():
            if made.failure is None:  # nothing may leave after a failure; offsets stay where they were
                await guarded(partial(Scoring.handle, batch=event.value))
                event.value.judged = True

    return made


def __getattr__(name: str) -> Any:
    """`app`, made on first use, so that importing this module starts nothing."""
    if name == "app":
        install()
        made = globals()["app"] = create_app(load())
        return made
    raise AttributeError(name)
