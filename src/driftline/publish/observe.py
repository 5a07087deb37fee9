"""A decorator that publishes what a predict function was asked and what it answered."""

from __future__ import annotations

import functools
import inspect
import uuid
from collections.abc import Callable, Mapping
from time import time
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar, cast

from driftline.publish.values import hold

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from driftline.publish.core import Core

__all__ = ["Extract", "Observing"]

P = ParamSpec("P")
T = TypeVar("T")
Extract = str | Callable[[Mapping[str, Any], Any], Any]
"""Where to find a field: the name of an argument or of a key of the result, or a function of the
arguments (by name) and the result."""
PREDICTION, ID = "prediction", "prediction_id"
SELF = frozenset({"self", "cls"})


class Observing:
    """Gives a publisher its decorator."""

    _core: Core
    _model: str | None
    _version: str | None

    def observe(
        self,
        *,
        model: str | None = None,
        version: str | None = None,
        id: Extract | None = None,  # noqa: A002 - what it is called everywhere
        features: Extract | None = None,
        prediction: Extract | None = None,
        score: Extract | None = None,
        segment: Extract | None = None,
        entity_id: Extract | None = None,
        rows: bool = False,
    ) -> Callable[[Callable[P, T]], Callable[P, T]]:
        """Return a decorator of a predict function, or of a coroutine function.

        What the function answers or raises is not touched; where it raises, nothing is published.

        Parameters
        ----------
        id
            Left out: the argument or the result's key ``prediction_id``, else a random one, to
            which no label can refer.
        features
            Left out: the argument ``features``, or the only one if it is a mapping or a table, or
            all arguments but the id by their names.
        prediction
            Left out: the result's key ``prediction`` where it is a mapping that has one, else the
            result.
        score
            Left out: the result's key ``score``, if there is one.
        rows
            The function predicts many rows at a time: `features` is a table (a pandas DataFrame or
            a sequence of mappings), the result has a prediction for each of its rows, and so has
            whatever else is extracted. Costs the call a few microseconds a row.

        Notes
        -----
        How long the function took is not published: no event has a field for it.
        """
        wanted = {
            ID: id,
            "features": features,
            PREDICTION: prediction,
            "score": score,
            "segment": segment,
            "entity_id": entity_id,
        }
        said = {
            "model": self._model if model is None else model,
            "version": self._version if version is None else version,
        }
        fixed = {name: value for name, value in said.items() if value is not None}

        def decorate(function: Callable[P, T]) -> Callable[P, T]:
            seen = _Seen(function, wanted, fixed, rows=rows)
            return _wrapped(function, seen, self._core)

        return decorate


class _Seen:
    """Makes events of one function's calls."""

    def __init__(
        self,
        function: Callable[..., Any],
        wanted: Mapping[str, Extract | None],
        fixed: Mapping[str, str],
        *,
        rows: bool,
    ) -> None:
        self._names = list(inspect.signature(function).parameters)
        self._wanted = wanted
        self._fixed = fixed
        self._rows = rows

    def events(
        self, args: tuple[Any, ...], kwargs: Mapping[str, Any], result: Any
    ) -> Iterable[dict[str, Any]]:
        """Return the events of one call, held against later changes."""
        arguments = {**dict(zip(self._names, args, strict=False)), **kwargs}
        found = {
            name: _take(extract, arguments, result) if extract is not None else None
            for name, extract in self._wanted.items()
        }
        found[PREDICTION] = self._prediction(found[PREDICTION], result)
        for name in (ID, "score"):
            if found[name] is None and self._wanted[name] is None:
                found[name] = _default(name, arguments, result)
        if found["features"] is None and self._wanted["features"] is None:
            found["features"] = self._features(arguments)
        if self._rows:
            return _by_row(found, self._fixed)
        return [self._event(found)]

    def _prediction(self, found: Any, result: Any) -> Any:
        if self._wanted[PREDICTION] is not None:
            return found
        if isinstance(result, Mapping) and PREDICTION in result:
            return result[PREDICTION]
        return result

    def _features(self, arguments: Mapping[str, Any]) -> Any:
        if "features" in arguments:
            return arguments["features"]
        id_ = self._wanted[ID] if isinstance(self._wanted[ID], str) else ID
        others = {k: v for k, v in arguments.items() if k != id_ and k not in SELF}
        if len(others) == 1:
            (only,) = others.values()
            if isinstance(only, Mapping) or hasattr(only, "to_dict"):
                return only
        return others

    def _event(self, found: Mapping[str, Any]) -> dict[str, Any]:
        event: dict[str, Any] = {"model": None, "ts": time(), **self._fixed}
        for name, value in found.items():
            if value is not None:
                event[name] = hold(value)
        event.setdefault(ID, uuid.uuid4().hex)
        return event


def _by_row(found: Mapping[str, Any], fixed: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    now = time()
    columns = {name: _column(value) for name, value in found.items() if value is not None}
    for values in zip(*columns.values(), strict=True):
        event: dict[str, Any] = {"model": None, "ts": now, **fixed}
        event.update(zip(columns, values, strict=True))
        event.setdefault(ID, uuid.uuid4().hex)
        yield event


def _column(value: Any) -> list[Any]:
    """Return one value for each row; rows of a table as mappings."""
    if hasattr(value, "to_dict") and hasattr(value, "columns"):
        return cast("list[Any]", value.to_dict("records"))
    if hasattr(value, "tolist"):
        return cast("list[Any]", value.tolist())
    return [hold(each) for each in value]


def _take(extract: Extract, arguments: Mapping[str, Any], result: Any) -> Any:
    if not isinstance(extract, str):
        return extract(arguments, result)
    if extract in arguments:
        return arguments[extract]
    if isinstance(result, Mapping):
        return result.get(extract)
    return getattr(result, extract, None)


def _default(name: str, arguments: Mapping[str, Any], result: Any) -> Any:
    if name in arguments:
        return arguments[name]
    # A mapping without a prediction of its own is one of probabilities by class.
    if isinstance(result, Mapping) and PREDICTION in result:
        return result.get(name)
    return None


def _wrapped(function: Callable[P, T], seen: _Seen, core: Core) -> Callable[P, T]:
    if inspect.iscoroutinefunction(function):

        @functools.wraps(function)
        async def waiting(*args: P.args, **kwargs: P.kwargs) -> Any:
            result = await function(*args, **kwargs)
            try:
                for event in seen.events(args, kwargs, result):
                    await core.put_async("prediction", event)
            except Exception as error:  # noqa: BLE001 - an extractor's fault is not the caller's
                core.failed(error)
            return result

        return cast("Callable[P, T]", waiting)

    @functools.wraps(function)
    def calling(*args: P.args, **kwargs: P.kwargs) -> T:
        result = function(*args, **kwargs)
        try:
            for event in seen.events(args, kwargs, result):
                core.put("prediction", event)
        except Exception as error:  # noqa: BLE001 - an extractor's fault is not the caller's
            core.failed(error)
        return result

    return calling
