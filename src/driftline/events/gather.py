"""Structs to raw columns, some at a time, while their values are still in the processor's cache."""

from __future__ import annotations

from operator import itemgetter
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import UNSET

from driftline.events.numbers import Numbers
from driftline.events.plan import Branch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from driftline.events.plan import Leaf

__all__ = ["Gathered"]

_astuple = msgspec.structs.astuple


class Gathered:
    """The columns of one branch of a plan's tree, as far as they were decoded.

    Attributes
    ----------
    kids
        In the order of ``layout``: for a leaf a list of values (`msgspec.UNSET` where the key was
        absent), or `Numbers` where it is packed; a `Gathered` for a branch.
    absent
        Rows that have no such object, and whether the key was absent altogether (not null). Their
        values are `msgspec.UNSET` throughout.
    """

    __slots__ = ("absent", "branch", "kids", "layout", "rows")

    def __init__(self, branch: Branch) -> None:
        self.branch = branch
        self.layout: tuple[Leaf | Branch, ...] = branch.layout
        self.kids: list[list[Any] | Numbers | Gathered] = [_empty(kid) for kid in self.layout]
        self.absent: dict[int, bool] = {}
        self.rows = 0

    def add(self, structs: Sequence[Any]) -> None:
        """Append the values of structs of the branch's type."""
        if not structs:
            return
        if self.kids:
            columns = zip(*map(_astuple, structs), strict=True)
            for kid, column in zip(self.kids, columns, strict=True):
                if isinstance(kid, Gathered):
                    kid.add_some(column)
                else:
                    kid.extend(column)
        self.rows += len(structs)

    def add_some(self, column: Sequence[Any]) -> None:
        """Append structs among which null or nothing may stand."""
        struct = self.branch.struct
        if set(map(type, column)) != {struct}:
            for row, value in enumerate(column, self.rows):
                if type(value) is not struct:
                    self.absent[row] = value is UNSET
            blank = self.branch.blank
            column = [value if type(value) is struct else blank for value in column]
        self.add(column)

    def pick(self, rows: Sequence[int]) -> Gathered:
        """Return some of the rows."""
        out = Gathered(self.branch)
        out.layout = self.layout
        out.rows = len(rows)
        out.absent = {i: self.absent[row] for i, row in enumerate(rows) if row in self.absent}
        for at, kid in enumerate(self.kids):
            if isinstance(kid, Gathered | Numbers):
                out.kids[at] = kid.pick(rows)
            elif len(rows) > 1:
                out.kids[at] = list(itemgetter(*rows)(kid))
            else:
                out.kids[at] = [kid[row] for row in rows]
        return out


def _empty(kid: Leaf | Branch) -> list[Any] | Numbers | Gathered:
    if isinstance(kid, Branch):
        return Gathered(kid)
    return Numbers() if kid.packed else []
