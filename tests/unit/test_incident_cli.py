"""What the commands say of incidents, and which ones they take an id for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from tests.unit.test_incident_life import START, Story, instant

from driftline.bus.config import Config
from driftline.cli import main
from driftline.cli._acts import send, until_of
from driftline.cli._incidents import incidents_named, lines_of, standing, table_of
from driftline.contract.types import HOUR, MINUTE
from driftline.errors import UsageError
from driftline.events.mapping import InputSpec
from driftline.events.outputs import Alert, AlertData
from driftline.events.time import format_ts

if TYPE_CHECKING:
    from collections.abc import Sequence


def alert(data: dict[str, Any], **changed: Any) -> Alert:
    """Return the last word on an incident as the topic has it."""
    typed = msgspec.convert(data | changed, AlertData)
    return Alert(
        id="a", subject="m", time=typed.opened_at, type="driftline.alert.opened", data=typed
    )


def named(*ids: str) -> list[Alert]:
    story = Story()
    story.happens(0, "page")
    return [alert(story.told, incident=each) for each in ids]


def found(ids: Sequence[str], known: Sequence[Alert]) -> list[str]:
    return [each.data.incident for each in incidents_named(ids, known)]


def test_an_id_may_be_as_short_as_it_is_clear() -> None:
    known = named("ab12cd", "ab13ef", "c0ffee")
    assert found(["c"], known) == ["c0ffee"]
    assert found(["AB12", "c0ffee", " ab13 "], known) == ["ab12cd", "c0ffee", "ab13ef"]
    assert found(["c0", "c0f"], known) == ["c0ffee"], "each once"
    # A whole id is meant even where another one begins with it.
    assert found(["ab1"], [*known, *named("ab1")]) == ["ab1"]


def test_what_is_meant_by_none_or_by_several_is_all_told() -> None:
    known = named("ab12cd", "ab13ef", "c0ffee")
    with pytest.raises(UsageError) as caught:
        incidents_named(["ab1", "c0", "zz", ""], known)
    said = str(caught.value)
    assert "'ab1': expected one incident, got 2: ab12cd (m · age · drift, open); ab13ef" in said
    assert "'zz': expected the id of an incident, or its beginning, got none" in said
    assert "'': expected the id" in said
    assert "c0ffee" not in said


@given(st.sets(st.text("0123456789abcdef", min_size=16, max_size=16), min_size=1, max_size=30))
def test_the_ids_that_a_list_shows_can_be_typed(ids: set[str]) -> None:
    known = named(*ids)
    table = table_of(known, known)
    shown = list(table.columns[0].cells)
    assert found([str(each) for each in shown], known) == [each.data.incident for each in known]


def test_a_list_shows_whole_ids_on_a_narrow_terminal() -> None:
    known = named("ab12cd34ef56ab12", "ab12cd44ef56ab12")
    console = Console(width=60, file=None)
    with console.capture() as caught:
        console.print(table_of(known, known))
    assert "ab12cd3 " in caught.get()
    assert "ab12cd4 " in caught.get()


def test_how_it_stands_is_said_in_words() -> None:
    story = Story()
    story.happens(0, "page")
    assert standing(alert(story.told).data) == "open"
    story.does(MINUTE, "incident_acknowledged", why="on it")
    story.does(MINUTE, "incident_silenced", until=instant(2 * HOUR))
    said = standing(alert(story.told).data)
    assert said == "acknowledged by ana, silenced until 2026-03-02 02:00 by ana"
    lines = dict(lines_of(alert(story.told)))
    assert lines["why acknowledged"] == "on it"
    assert lines["replay"].startswith("driftline replay ")
    story.happens(HOUR, "clear")
    story.does(HOUR, "incident_judged", verdict="false")
    assert standing(alert(story.told).data).startswith("resolved, ")
    assert standing(alert(story.told).data).endswith("judged false")


def test_an_end_is_a_time_or_a_length() -> None:
    assert until_of(None, "2h", START) == format_ts(START + 2 * HOUR)
    assert until_of(None, "2h", START, START + HOUR) == format_ts(START + 3 * HOUR)
    assert until_of("2026-03-02T01:00:00Z", None, START) == "2026-03-02T01:00:00Z"
    for until, lasting, says in (
        (None, None, "expected one of them, got neither"),
        ("2026-03-03", "1h", "expected one of them, got both"),
        ("2026-03-01", None, "expected a time after 2026-03-02T00:00:00Z"),
        ("soon", None, "--until: expected a time"),
        (None, "an hour", "--for: expected a duration such as 2h"),
    ):
        with pytest.raises(UsageError, match=says):
            until_of(until, lasting, START)


def test_acts_need_an_input_that_they_can_go_to() -> None:
    config = Config(inputs=(InputSpec(topic="scoring", type="prediction"),))
    with pytest.raises(UsageError, match="inputs: expected one of type lifecycle"):
        send(config, [{"model": "m", "kind": "maintenance"}])


def test_the_command_line_says_what_it_wants(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["incident", "judge", "ab12", "c0ffee", "maybe"]) == 2
    assert "VERDICT: expected one of true, false, expected, got 'maybe'" in capsys.readouterr().err
    assert main(["incident", "silence", "ab12"]) == 2
    assert "got neither" in capsys.readouterr().err
    assert (
        main(["incident", "ack", "ab12", "--patience", "long", "--bootstrap", "127.0.0.1:1"]) == 2
    )
    assert "--patience: expected a duration" in capsys.readouterr().err
