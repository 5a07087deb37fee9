"""Worth: what acting brings is told window by window, and a loss is a finding while it lasts."""

from __future__ import annotations

import numpy as np
from tests.unit.test_ledger_uplift import CONTRACT, drawn

from driftline.contract import DAY
from driftline.ledger.trials import Trials
from driftline.ledger.worth import Worth


def test_a_model_that_does_harm_is_a_finding_until_it_does_no_more() -> None:
    rng = np.random.default_rng(3)
    worth, told = Worth(CONTRACT), []
    for day in range(120):
        harm = -0.05 if day < 20 else 0.1
        trials = Trials.of(drawn(rng, 600, 0.5, (0.1, 0.1 + harm)))
        again = Worth(CONTRACT)
        again.restore(worth.snapshot())
        worth = again
        for message in worth.tell(day * DAY, passed=True):
            assert b'"uplift"' in message[1]
        told += [(day, each) for each in worth.step(day * DAY, (day + 1) * DAY, [trials])]
    (early, raised), (late, cleared) = told
    assert early < 20 < late
    assert (raised.state, raised.kind, raised.detector, raised.severity) == (
        "raised", "decision", "uplift", "notice"
    )  # fmt: skip
    assert raised.effect < 0
    assert raised.text.startswith("Acting on the model is worse than the arm holdout")
    assert (cleared.state, cleared.effect) == ("cleared", 0.0)


def test_a_model_that_does_no_harm_is_none() -> None:
    rng = np.random.default_rng(4)
    worth = Worth(CONTRACT)
    for day in range(40):
        trials = Trials.of(drawn(rng, 600, 0.5, (0.1, 0.1)))
        assert not worth.step(day * DAY, (day + 1) * DAY, [trials])
