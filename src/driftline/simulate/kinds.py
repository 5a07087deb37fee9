"""The kinds of fault: what each needs, what it does, and what a finding of it is called."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple, get_args

from driftline.simulate.features import NEW_LEVEL

if TYPE_CHECKING:
    from driftline.simulate.features import FeatureKind

__all__ = [
    "FOLLOWING", "FORMS", "KINDS", "LAWS", "ROWS", "Detail", "FaultKind", "Following", "KindPlan",
    "SizeUnit",
]  # fmt: skip

Following = Literal["label", "decision", "outcome", "features"]
FOLLOWING: tuple[Following, ...] = get_args(Following)
"""What may follow a prediction; ``features`` are the rows as training recomputes them."""

FaultKind = Literal[
    "mean", "spread", "shape", "mix", "new_category", "missing", "unit", "correlation", "stuck",
    "silence", "schema", "ramp",
    "skew",
    "concept", "label_delay", "label_bias", "label_error", "label_loss",
    "people", "override", "ignore", "late", "rubber_stamp", "tire",
    "holdout", "uplift",
    "retrain", "loop",
]  # fmt: skip
SizeUnit = Literal["sd", "own", "factor", "share", "points", "time", "count", "form", "none"]
DetailUnit = Literal["share", "count", "word", "class"]

NUMBERS: tuple[FeatureKind, ...] = ("numeric", "integer")
ANY: tuple[FeatureKind, ...] = ("numeric", "integer", "categorical", "boolean")
FORMS = ("vanish", "string", "number", "appear")
LAWS = ("shifted", "exponential", "lognormal", "uniform", "fixed")
"""Laws of a label's delay: half of the mean for certain and an exponential half, …"""
ROWS = 1_000
"""Labelled rows that a model is retrained on, where nothing else is said."""


class Detail(NamedTuple):
    """What may be said of a fault after its size.

    Attributes
    ----------
    name
        Its key in the truth.
    default
        None: the positive class.
    words
        What it may be, where its unit is "word".
    """

    name: str
    unit: DetailUnit
    default: float | str | None
    words: tuple[str, ...] = ()


@dataclass(frozen=True)
class KindPlan:
    """What a kind of fault needs and does.

    Attributes
    ----------
    applies
        Kinds of feature it can hit; empty where it hits the whole model.
    sizes
        Units its size may have; the first is the default's.
    default
        Size where none is given; None where one must be given.
    world
        True where the world itself changed, so that labels follow; False where something between
        the world and the model broke, or where the change is in what follows predictions.
    shows_as
        Kinds of finding that name it rightly; empty where it is shown in windows or feedback alone,
        or is no fault at all.
    example
        A size, for errors.
    about
        What happens, in a few words.
    usage
        A whole one, for the list and the help.
    needs
        Type of event without which it would change nothing.
    beside
        Kind that has to be planted in the same model, too.
    """

    applies: tuple[FeatureKind, ...]
    sizes: tuple[SizeUnit, ...]
    default: float | None
    world: bool
    shows_as: tuple[str, ...]
    example: str
    about: str
    usage: str
    detail: Detail | None = None
    needs: Following | None = None
    beside: FaultKind | None = None


KINDS: dict[FaultKind, KindPlan] = {
    "mean": KindPlan(
        NUMBERS, ("sd", "own"), 1.0, True, ("drift",), "+1sd or -2.5",
        "values move by a constant", "mean:credit-risk:age:+1sd@20m",
    ),
    "spread": KindPlan(
        NUMBERS, ("factor",), 2.0, True, ("drift",), "x2",
        "deviations from the mean are multiplied", "spread:credit-risk:age:x2@20m..40m",
    ),
    "shape": KindPlan(
        NUMBERS, ("none",), 0.0, True, ("drift",), "",
        "two humps with the same mean and sd", "shape:credit-risk:savings@20m",
    ),
    "mix": KindPlan(
        ("categorical",), ("share",), 0.2, True, ("drift",), "20%",
        "so much of the traffic moves from the commonest level to the rarest",
        "mix:credit-risk:country:20%@20m",
    ),
    "new_category": KindPlan(
        ("categorical",), ("share",), 0.05, True, ("drift",), "5%",
        f"so many rows get the level {NEW_LEVEL!r}", "new_category:credit-risk:country:5%@20m",
    ),
    "missing": KindPlan(
        ANY, ("share",), 0.2, False, ("missing",), "20%",
        "so many rows lose the value", "missing:credit-risk:age:20%@20m in country=DE",
    ),
    "unit": KindPlan(
        NUMBERS, ("factor",), 1000.0, False, ("drift",), "x1000",
        "values come in another unit", "unit:credit-risk:income:x1000@20m",
    ),
    "correlation": KindPlan(
        ANY, ("none",), 0.0, True, ("drift",), "",
        "same values, but no longer with their row; marginals unchanged",
        "correlation:credit-risk:income@20m",
    ),
    "stuck": KindPlan(
        ANY, ("none",), 0.0, False, ("drift",), "",
        "the last value is repeated", "stuck:demand-forecast:price@20m",
    ),
    "silence": KindPlan(
        (), ("none",), 0.0, False, ("silence", "volume"), "",
        "the model sends nothing", "silence:credit-risk@20m..30m",
    ),
    "schema": KindPlan(
        ANY, ("form",), None, False, ("schema", "missing"), "vanish",
        "vanish, string (numbers as text), number (text as numbers), appear",
        "schema:credit-risk:age:vanish@20m",
    ),
    "ramp": KindPlan(
        NUMBERS, ("sd", "own"), 1.0, True, ("drift",), "+1sd",
        "a mean that grows from start to end and then stays; needs an end",
        "ramp:credit-risk:age:+1sd@20m..50m",
    ),
    "skew": KindPlan(
        ANY, ("form",), None, False, ("skew",), "x1000",
        "so many of the rows that it makes a difference to are served otherwise than training "
        "recomputes them: x1000, +1sd or -2.5, null=0 (for a missing value), default=0, lost, "
        "stale (the entity's last value), round=10, lower, upper, code, swap=other_feature",
        "skew:credit-risk:income:x1000:5%@1h",
        Detail("share", "share", 0.05), needs="features",
    ),
    "concept": KindPlan(
        (), ("share",), 0.5, False, ("quality",), "50%",
        "so many labels have nothing to do with their features any more: the world is another one, "
        "and no input shows it", "concept:credit-risk:50%@10d", needs="label",
    ),
    "label_delay": KindPlan(
        (), ("time",), None, False, (), "2h",
        f"labels take so long in the mean, by another law: {', '.join(LAWS)}",
        "label_delay:credit-risk:2h:lognormal@1d",
        Detail("law", "word", "shifted", LAWS), needs="label",
    ),
    "label_bias": KindPlan(
        (), ("factor",), 8.0, False, (), "x8",
        "labels of one class take so many times as long: early ones are no fair sample",
        "label_bias:credit-risk:x8:default@1d",
        Detail("class", "class", None), needs="label",
    ),
    "label_error": KindPlan(
        (), ("share",), 0.05, False, (), "5%",
        "so many labels come wrong at first, and are corrected after as long again",
        "label_error:credit-risk:5%@1d", needs="label",
    ),
    "label_loss": KindPlan(
        (), ("share",), 0.3, False, (), "30%",
        "so many labels never come", "label_loss:credit-risk:30%@1d", needs="label",
    ),
    "people": KindPlan(
        (), ("count",), 10.0, False, (), "10",
        "so many people decide where a policy did: after 20 min at the median, overriding 8 %, "
        "leaving 3 % undecided", "people:credit-risk:10@0s", needs="decision",
    ),
    "override": KindPlan(
        (), ("share",), 0.24, False, ("decision",), "24%",
        "people override so many recommendations, of any, or only of those that the label will "
        "prove wrong (right to override) or right (wrong to)",
        "override:credit-risk:24%:right@5d",
        Detail("which", "word", "any", ("any", "right", "wrong")),
        needs="decision", beside="people",
    ),
    "ignore": KindPlan(
        (), ("share",), 0.5, False, ("decision",), "50%",
        "so many predictions get no decision", "ignore:credit-risk:50%@5d", needs="decision",
    ),
    "late": KindPlan(
        (), ("factor",), 4.0, False, ("decision",), "x4",
        "decisions take so many times as long", "late:credit-risk:x4@5d", needs="decision",
    ),
    "rubber_stamp": KindPlan(
        (), ("time",), 3_000_000.0, False, ("decision",), "3s",
        "people decide after so little time at the median, and always as recommended",
        "rubber_stamp:credit-risk:3s@5d", needs="decision", beside="people",
    ),
    "tire": KindPlan(
        (), ("share",), 0.9, False, ("decision",), "90%",
        "so much of people's time, of their overrides, or of both is lost from start to end, and "
        "stays lost; needs an end", "tire:credit-risk:90%:overrides@5d..12d",
        Detail("of", "word", "both", ("both", "time", "overrides")),
        needs="decision", beside="people",
    ),
    "holdout": KindPlan(
        (), ("share",), 0.2, False, (), "20%",
        "so many rows, drawn by lot, are decided without the model; arm and propensity are logged "
        "with prediction and decision", "holdout:credit-risk:50%@0s in country=DE",
        needs="decision",
    ),
    "uplift": KindPlan(
        (), ("points",), 0.05, False, (), "+5pp",
        "outcomes are 1 or 0, and the model's arm has so many more ones than the holdout has",
        "uplift:credit-risk:+5pp:30%@0s",
        Detail("base", "share", 0.3), needs="outcome",
    ),
    "retrain": KindPlan(
        (), ("time",), None, False, (), "1d",
        f"the model is trained anew so often, on its last labels ({ROWS:,} where nothing is said)",
        "retrain:demand-forecast:1d:500@0s",
        Detail("rows", "count", float(ROWS)), needs="label",
    ),
    "loop": KindPlan(
        (), ("share",), 0.5, False, ("loop",), "50%",
        "so many predictions are used (their decision follows), and the error of their label is "
        "smaller by the second share: the adherence",
        "loop:demand-forecast:50%:80%@12d",
        Detail("adherence", "share", 0.8), needs="label", beside="retrain",
    ),
}  # fmt: skip
