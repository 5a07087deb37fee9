"""Factors that units of measure differ by, and what they are known for."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["AFFINE", "FACTORS", "SHIFTS", "Line"]

_NAMED = {
    60.0: ("seconds", "minutes"),
    3600.0: ("seconds", "hours"),
    86400.0: ("seconds", "days"),
    1440.0: ("minutes", "days"),
    24.0: ("hours", "days"),
    7.0: ("days", "weeks"),
    12.0: ("months", "years"),
    365.0: ("days", "years"),
    365.25: ("days", "years"),
    1024.0: ("bytes", "kibibytes"),
    1024.0**2: ("bytes", "mebibytes"),
    1024.0**3: ("bytes", "gibibytes"),
    100.0: ("per cent", "shares"),
    1.609344: ("kilometres", "miles"),
    2.54: ("centimetres", "inches"),
    1 / 0.3048: ("feet", "metres"),
    12 * 2.54: ("centimetres", "feet"),
    3.6: ("kilometres an hour", "metres a second"),
    2.20462: ("pounds", "kilograms"),
    1 / 0.45359237: ("pounds", "kilograms"),
    28.349523125: ("grams", "ounces"),
    3.785411784: ("litres", "gallons"),
    4.184: ("joules", "calories"),
    9 / 5: ("degrees Fahrenheit", "kelvins"),
    57.29577951308232: ("degrees", "radians"),
}


def _factors() -> dict[float, tuple[str, str] | None]:
    out: dict[float, tuple[str, str] | None] = {-1.0: None}
    for power in range(1, 13):
        out[10.0**power] = out[10.0**-power] = None
    for factor, (small, large) in _NAMED.items():
        out[factor], out[1 / factor] = (small, large), (large, small)
    return out


FACTORS = _factors()
"""By factor: the unit it leads to and the one it starts from; None where it is of no unit."""

SHIFTS = {
    273.15: "as kelvins against degrees Celsius",
    -273.15: "as degrees Celsius against kelvins",
    3600.0: "an hour in seconds",
    -3600.0: "an hour in seconds",
    7200.0: "two hours in seconds",
    -7200.0: "two hours in seconds",
    86400.0: "a day in seconds",
    -86400.0: "a day in seconds",
}


class Line(NamedTuple):
    """``served = factor · training + shift``."""

    factor: float
    shift: float


AFFINE = {
    Line(9 / 5, 32.0): "as degrees Fahrenheit against Celsius",
    Line(5 / 9, -160 / 9): "as degrees Celsius against Fahrenheit",
    Line(9 / 5, -459.67): "as degrees Fahrenheit against kelvins",
    Line(5 / 9, 459.67 * 5 / 9): "as kelvins against degrees Fahrenheit",
}
