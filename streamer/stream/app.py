"""The Faust app of a scoring worker: `create_app(settings)`, or ``faust -A streamer.stream.app worker``."""

from __future__ import annotations

import gc
import logging
import tempfile
from typing import Any

import faust

from streamer.engine import Engine
from streamer.kafka.topics import Topics
from streamer.settings import Settings, load
from streamer.stream.health import Health
from streamer.stream.scoring import Judge, Scoring
from streamer.stream.transport import Transport

log = logging.getLogger("streamer.app")


class App(faust.App):
    """Faust's app with our transport: drains before agents stop, and keeps why it failed in `failure`."""

    streamer_settings: Settings
    failure: BaseException | None = None
    scoring: Scoring | None = None
    health: Health | None = None

    def fail(self, reason: BaseException) -> None:
        """End the worker with an error; called on the event loop, by whoever cannot go on."""
        if self.failure is None:
            self.failure = reason
            log.error("the worker stops: %s: %s", type(reason).__name__, reason)
            if self._consumer is not None:
                self._consumer.close()
            self.loop.create_task(self.crash(reason))

    async def _stop_consumer(self) -> None:
        consumer: Any = self._consumer
        if consumer is not None:
            await consumer.drain()  # before Faust clears its queues
        await super()._stop_consumer()


def make_engine(settings: Settings) -> Engine:
    """An engine as the settings ask for it."""
    return Engine(
        home=settings.home,
        partitions=settings.partitions,
        secret=settings.secret.get_secret_value().encode(),
        max_callers=settings.max_callers,
        clamp=settings.clamp,
    )


def create_app(settings: Settings, judge: Judge | None = None) -> App:
    """The app of one worker; `judge` stands in for the engine in benchmarks."""
    made = App(
        settings.group,
        broker=f"kafka://{settings.bootstrap}",
        store="memory://",
        topic_allow_declare=False,
        topic_disable_leader=True,
        web_enabled=False,
        web_bind="127.0.0.1",
        stream_wait_empty=False,
        stream_buffer_maxsize=4096,
        datadir=tempfile.mkdtemp(prefix="streamer-faust-"),  # Faust wants a folder, and nothing is ever kept in it
    )
    made.streamer_settings = settings
    transport = Transport(made.conf.broker_consumer, made, loop=None)
    made.transport = transport
    made.producer_transport = transport
    judging = judge if judge is not None else make_engine(settings)
    calls = made.topic(Topics(settings).calls, value_serializer="raw", key_serializer="raw")

    @made.task
    async def begin() -> None:
        scoring = made.scoring = Scoring(settings, judging, made)
        made.health = Health(
            settings.metrics_host,
            settings.metrics_port,
            scoring.metrics.registry,
            lambda: {"failure": str(made.failure)} if made.failure else {},
            scoring.not_ready,
        )
        log.info("metrics on http://%s:%d/metrics", settings.metrics_host, made.health.port)
        gc.collect()
        gc.freeze()

    async def guarded(work: str) -> None:
        while made.scoring is None:
            await made.sleep(0.01)
        try:
            await getattr(made.scoring, work)()
        except Exception as reason:
            made.fail(reason)
            raise

    @made.task
    async def follow_control() -> None:
        await guarded("follow_control")

    @made.task
    async def tick() -> None:
        await guarded("tick")

    @made.agent(calls)
    async def score(stream: Any) -> None:
        while made.scoring is None:
            await made.sleep(0.01)
        async for event in stream.noack().events():
            if made.failure is not None:
                continue  # nothing may leave after a failure; offsets stay where they were
            try:
                await made.scoring.handle(event.value)
            except Exception as reason:
                made.fail(reason)

    return made


def __getattr__(name: str) -> Any:
    """`app`, made on first use, so that importing this module starts nothing."""
    if name == "app":
        made = globals()["app"] = create_app(load())
        return made
    raise AttributeError(name)
