"""How fraudsters call in simulated traffic: one campaign class a fraud type, with the published parameters."""

from __future__ import annotations

from typing import Final

from streamer.lab.campaigns import Campaign
from streamer.lab.frauds.borrowing import (
    InvalidNumber,
    NeighbourSpoofing,
    SpoofedActive,
    SpoofedBank,
    SpoofedRoamer,
    Spoofing,
    TrunkMismatch,
    UnverifiedOrigin,
)
from streamer.lab.frauds.diallers import FlashCall, RangeProbing, Robocall, Wangiri
from streamer.lab.frauds.storms import DenialFromLines, NumberRotation, TelephonyDenial
from streamer.lab.frauds.swindlers import ScamCentre, ScamLine, SimSwap
from streamer.lab.frauds.thieves import PbxHacking, RevenueShare, SimBox

CAMPAIGNS: Final[tuple[type[Campaign], ...]] = (
    Spoofing,
    TrunkMismatch,
    UnverifiedOrigin,
    InvalidNumber,
    NeighbourSpoofing,
    NumberRotation,
    Robocall,
    ScamCentre,
    Wangiri,
    RevenueShare,
    PbxHacking,
    SimBox,
    TelephonyDenial,
    RangeProbing,
    SimSwap,
    FlashCall,
)
"""Every fraud type, in the order of `streamer.calls.events.FraudType`, but for the origin checks, which come first."""

ADVERSARIES: Final[tuple[type[Campaign], ...]] = (
    SpoofedBank,
    SpoofedRoamer,
    SpoofedActive,
    ScamLine,
    DenialFromLines,
)
"""Campaigns that are made to be hard to tell from honest calls, or that are slow; in no traffic unless asked for."""
