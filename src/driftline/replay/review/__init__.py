"""One page a model: is it good, is it used, is it worth it, who owns it.

`facts` gathers what a replay or the live topics said of a model; `answers` makes of it the five
answers that a business owner asks for, each with its evidence and a verdict; `page` and `text` put
them before people.
"""

from __future__ import annotations

from driftline.replay.review.answers import Answer, Evidence, answers
from driftline.replay.review.facts import Facts, read_facts
from driftline.replay.review.page import page

__all__ = ["Answer", "Evidence", "Facts", "answers", "page", "read_facts"]
