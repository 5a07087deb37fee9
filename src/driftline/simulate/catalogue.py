"""The simulated models by name."""

from __future__ import annotations

import re
from difflib import get_close_matches
from typing import TYPE_CHECKING

from driftline.simulate.bench import LARGEST, Bench
from driftline.simulate.credit_risk import CreditRisk
from driftline.simulate.demand_forecast import DemandForecast
from driftline.simulate.errors import ScenarioError
from driftline.simulate.recommender import Recommender

if TYPE_CHECKING:
    from driftline.simulate.traffic import Traffic

__all__ = ["MODELS", "traffic"]

MODELS: dict[str, type[Traffic]] = {
    model.kind: model for model in (CreditRisk, DemandForecast, Recommender, Bench)
}


def traffic(text: str, *, calm: bool = False) -> Traffic:
    """Make a simulated model from its name.

    Parameters
    ----------
    text
        ``credit-risk``, ``bench-100`` (100 features), or ``other-name=credit-risk`` for the same
        traffic under another model name.
    calm
        True for traffic without season and memory.

    Raises
    ------
    ScenarioError
        For a model that does not exist.
    """
    name, equals, kind = text.strip().partition("=")
    if not equals:
        kind = name
    if not name or len(name) > 200:
        msg = f"model {text!r}: expected a name of 1 to 200 characters"
        raise ScenarioError(msg)
    sized = re.fullmatch(r"bench-([0-9]{1,5})", kind)
    if sized is not None:
        width = int(sized[1])
        if not 1 <= width <= LARGEST:
            msg = f"model {kind!r}: expected 1 to {LARGEST} features, got {width}"
            raise ScenarioError(msg)
        return Bench(name, calm=calm, width=width)
    if kind not in MODELS:
        close = get_close_matches(kind, MODELS, 1)
        hint = f"; did you mean {close[0]}?" if close else ""
        msg = f"model {kind!r}: expected one of {', '.join(MODELS)}{hint}"
        raise ScenarioError(msg)
    return MODELS[kind](name, calm=calm)
