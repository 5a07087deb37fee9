"""One incident, explained to whoever was woken by it.

`outputs` reads what driftline has said, `reels` the events themselves; `case` is what both found.
`explain` makes of it, purely, the whole explanation; `terminal`, `page` and `chart` put it before
people.
"""

from __future__ import annotations

from driftline.replay.explain.case import Case
from driftline.replay.explain.explanation import Explanation, explain

__all__ = ["Case", "Explanation", "explain"]
