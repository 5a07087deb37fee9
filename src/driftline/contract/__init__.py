"""The contract of a model: one YAML file that says what "broken" means before it is deployed."""

from __future__ import annotations

from driftline.contract.book import Book, Entry, load, parse, survey
from driftline.contract.canonical import canonical
from driftline.contract.errors import ContractError, Fault
from driftline.contract.gaps import Gap, gaps
from driftline.contract.schema import json_schema
from driftline.contract.types import (
    DAY,
    HOUR,
    MINUTE,
    SECOND,
    AlertPlan,
    Baseline,
    Budget,
    Contract,
    Decision,
    DetectorPlan,
    Drill,
    Fallback,
    FeaturePlan,
    LedgerPlan,
    MaintenanceWindow,
    Owner,
    PlantedShift,
    Quality,
    Rate,
    ReferencePlan,
    Retrain,
    SegmentPlan,
    Sla,
    WindowPlan,
)

__all__ = [
    "DAY",
    "HOUR",
    "MINUTE",
    "SECOND",
    "AlertPlan",
    "Baseline",
    "Book",
    "Budget",
    "Contract",
    "ContractError",
    "Decision",
    "DetectorPlan",
    "Drill",
    "Entry",
    "Fallback",
    "Fault",
    "FeaturePlan",
    "Gap",
    "LedgerPlan",
    "MaintenanceWindow",
    "Owner",
    "PlantedShift",
    "Quality",
    "Rate",
    "ReferencePlan",
    "Retrain",
    "SegmentPlan",
    "Sla",
    "WindowPlan",
    "canonical",
    "gaps",
    "json_schema",
    "load",
    "parse",
    "survey",
]
