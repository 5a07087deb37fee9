"""What the codec is told of models does not depend on when a reference is heard of."""

from __future__ import annotations

from driftline.contract import Book, Contract
from driftline.pipeline.references import ALWAYS, Layouts, References
from driftline.stats import Reference


def test_a_reference_makes_no_model_known() -> None:
    """Else a dead letter would count for a model or for its topic, as topics interleave."""
    references = References()
    layouts = Layouts(Book((Contract(model="a"),)), references)
    columns = {"x": [float(value) for value in range(200)]}
    for model in ("a", "b"):
        references.hold(Reference.build(model, columns), ALWAYS)
        assert layouts.kinds(model)
    assert layouts.known("a")
    assert not layouts.known("b")
    assert layouts.accepts("b")
