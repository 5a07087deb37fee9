"""Names of classes: one for each class, however a producer wrote it.

What becomes of a value depends on that value alone, so that it cannot depend on how events were cut
into batches: the booleans, and the words true and false, are always "1" and "0"; numbers without a
fraction lose the point; text that is a plain decimal number counts as that number. ``1``, ``1.0``,
``"1"``, ``"1.0"``, ``True`` and ``"true"`` are all "1". Text that is no plain number stays as it
is: ``"007"``, ``"1e3"`` and ``"Yes"`` are their own names.
"""

from __future__ import annotations

import re
from hashlib import blake2b
from math import isfinite
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

__all__ = ["LONGEST_NAME", "class_name", "class_names", "class_order", "positive_of"]

LONGEST_NAME = 200
"""Characters; a longer name is cut, and told from others by a hash of the whole."""
_DECIMAL = re.compile(r"-?(?:0|[1-9][0-9]{0,308})(?:\.[0-9]{1,400})?")
_WORDS = {"true": "1", "false": "0"}


def class_name(value: float | str | bool) -> str:
    """Return the name of a class: a finite number, text or a boolean."""
    if isinstance(value, str):
        if len(value) <= 5 and (word := _WORDS.get(value.lower())):
            return word
        if _DECIMAL.fullmatch(value):
            whole, _, fraction = value.partition(".")
            value = int(whole) if not fraction.strip("0") else float(value)
        elif len(value) > LONGEST_NAME:
            mark = blake2b(value.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()
            return f"{value[: LONGEST_NAME - 17]}…{mark}"
        else:
            return value
    number = int(value) if value == int(value) else value
    return str(number)


def class_names(values: Sequence[Any]) -> list[str | None]:
    """Return the name of each value; None where there is none, or a number that is not finite.

    Costs a look-up a row where values repeat, as classes do.
    """
    # 1, 1.0 and True are one key, and one name.
    names = {value: class_name(value) if _is_class(value) else None for value in set(values)}
    return [names[value] for value in values]


def _is_class(value: Any) -> bool:
    return value is not None and not (isinstance(value, float) and not isfinite(value))


def class_order(name: str) -> tuple[bool, float, str]:
    """Sort by this: numbers by value, then all other names as text, as scikit-learn does."""
    if _DECIMAL.fullmatch(name):
        return False, float(name), name
    return True, 0.0, name


def positive_of(names: Collection[str]) -> str:
    """Return the positive class where nobody says: "1" of "0" and "1", else the last in order."""
    return "1" if set(names) <= {"0", "1"} else max(names, key=class_order)
