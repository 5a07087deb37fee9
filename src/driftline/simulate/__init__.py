"""Simulated traffic with planted faults, for the demo, drills, tests and benchmarks.

A *scenario* names models, faults, a rate and a seed. It is read as blocks of encoded events in
order of event time, the same for the same seed however it is read, and written to files or to
Kafka, with the truth (what was planted, where and when) beside it.
"""

from __future__ import annotations

from driftline.simulate.block import Block
from driftline.simulate.catalogue import MODELS, traffic
from driftline.simulate.errors import ScenarioError
from driftline.simulate.faults import Fault, parse_fault
from driftline.simulate.files import to_files
from driftline.simulate.kafka import Delivery, to_kafka
from driftline.simulate.kinds import KINDS
from driftline.simulate.scenario import START_US, Scenario
from driftline.simulate.traffic import Traffic
from driftline.simulate.truth import truth

__all__ = [
    "KINDS",
    "MODELS",
    "START_US",
    "Block",
    "Delivery",
    "Fault",
    "Scenario",
    "ScenarioError",
    "Traffic",
    "parse_fault",
    "to_files",
    "to_kafka",
    "traffic",
    "truth",
]
