from __future__ import annotations

from driftline.bus.offsets import SafeOffset, SafeOffsets
from driftline.events.record import Source

A, B = Source("a", 0), Source("b", 1)


def test_only_what_changed_is_pending() -> None:
    safe = SafeOffsets()
    safe.begin(1)
    safe.mark(1, A, SafeOffset(10, "x"))
    assert safe.pending() == {A: SafeOffset(10, "x")}
    safe.committed(1, safe.pending())
    assert safe.pending() == {}
    safe.mark(1, A, SafeOffset(10, "y"))
    safe.mark(1, B, SafeOffset(3))
    assert safe.pending() == {A: SafeOffset(10, "y"), B: SafeOffset(3)}


def test_a_step_back_changes_nothing() -> None:
    safe = SafeOffsets()
    safe.begin(1)
    safe.mark(1, A, SafeOffset(10))
    safe.mark(1, A, SafeOffset(9))
    assert safe.pending() == {A: SafeOffset(10)}


def test_what_belongs_to_an_older_epoch_is_never_committed() -> None:
    safe = SafeOffsets()
    safe.begin(1)
    safe.mark(1, A, SafeOffset(10))
    pending = safe.pending()
    safe.begin(2)
    assert safe.pending() == {}
    safe.mark(1, A, SafeOffset(11))
    assert safe.pending() == {}
    # A commit of epoch 1 that is confirmed only now says nothing about epoch 2.
    safe.committed(1, pending)
    safe.mark(2, A, SafeOffset(10))
    assert safe.pending() == {A: SafeOffset(10)}
