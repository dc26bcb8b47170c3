"""A world of trainers for a test."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from streamer.kafka import topics
from streamer.settings import Settings
from tests.training.world import World


@pytest.fixture
def world(make_settings: Callable[..., Settings], tmp_path: Path) -> Iterator[World]:
    settings = make_settings()
    topics.ensure(settings)
    made = World(settings, tmp_path)
    try:
        yield made
    finally:
        made.close()
