"""The detectors: one fraud type a file, all of them in `DETECTORS`. A new one is a file, an entry here and a test."""

from __future__ import annotations

from typing import Final

from streamer.detectors import (
    cli_spoofing,
    flash_call,
    identity,
    irsf,
    neighbour_spoofing,
    number_invalid,
    number_rotation,
    pbx_hacking,
    range_probing,
    robocall,
    scam_centre,
    sim_box,
    sim_swap,
    tdos,
    trunk_mismatch,
    unverified_origin,
    wangiri,
)
from streamer.detectors.base import Detector, chain

DETECTORS: Final[tuple[Detector, ...]] = (
    cli_spoofing.DETECTOR,
    number_invalid.DETECTOR,
    robocall.DETECTOR,
    range_probing.DETECTOR,
    wangiri.DETECTOR,
    trunk_mismatch.DETECTOR,
    sim_swap.DETECTOR,
    unverified_origin.DETECTOR,
    tdos.DETECTOR,
    number_rotation.DETECTOR,
    neighbour_spoofing.DETECTOR,
    irsf.DETECTOR,
    pbx_hacking.DETECTOR,
    scam_centre.DETECTOR,
    sim_box.DETECTOR,
    flash_call.DETECTOR,
    identity.DETECTOR,
)

judge_all = chain(DETECTORS)
"""Compiled: (x, p, found, 0) runs every rule over one row of features; see `streamer.detectors.base.chain`."""
