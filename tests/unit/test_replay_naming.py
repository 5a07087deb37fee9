from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from driftline.replay.errors import SourceError
from driftline.replay.naming import NamedFile, NamedTopic, parse_source, parse_sources

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def events(tmp_path: Path) -> Path:
    path = tmp_path / "late.jsonl"
    path.write_text("{}\n")
    return path


@pytest.mark.parametrize("word", ["label", "labels", "Labels"])
def test_a_file_may_be_named_with_its_type(events: Path, word: str) -> None:
    named = parse_source(f"{word}={events}")
    assert named == NamedFile(events, "label", f"{word}=late.jsonl")


def test_a_topic_may_be_named_with_several_brokers() -> None:
    assert parse_source("kafka://a:1,[::1]:9092/events") == NamedTopic(
        "a:1,[::1]:9092", "events", None
    )


@pytest.mark.parametrize(
    ("topic", "kind"),
    [
        ("driftline.predictions", "prediction"),
        ("team_labels", "label"),
        ("features", "features"),
        ("driftline.lifecycle", "lifecycle"),
        ("scores", None),
    ],
)
def test_a_topics_name_may_tell_its_type(topic: str, kind: str | None) -> None:
    named = parse_source(f"kafka://h:9092/{topic}")
    assert isinstance(named, NamedTopic)
    assert named.type == kind


def test_a_given_type_goes_before_the_topics_name() -> None:
    assert parse_source("labels=kafka://h:1/predictions").type == "label"


def test_an_equals_sign_in_a_path_is_no_type(tmp_path: Path) -> None:
    path = tmp_path / "day=1.csv"
    path.write_text("ts\n")
    assert parse_source(str(path)) == NamedFile(path, None, "day=1.csv")


@pytest.mark.parametrize(
    ("argument", "text"),
    [
        ("nowhere.jsonl", "no such file"),
        ("kafka://host/topic", "expected kafka://host:port/topic"),
        ("kafka://host:9092", "expected kafka://host:port/topic"),
        ("kafka://host:9092/a/b", "expected kafka://host:port/topic"),
        ("lables=x.jsonl", "expected one of prediction, features, label"),
    ],
)
def test_what_names_nothing_is_told_in_one_line(argument: str, text: str) -> None:
    with pytest.raises(SourceError, match=text) as caught:
        parse_source(argument)
    assert "\n" not in str(caught.value)
    assert argument.rpartition("=")[2] in str(caught.value)


def test_a_folder_and_a_strange_suffix_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="got a folder"):
        parse_source(str(tmp_path))
    (tmp_path / "x.txt").write_text("")
    with pytest.raises(SourceError, match=r"ending in \.jsonl"):
        parse_source(str(tmp_path / "x.txt"))


def test_no_source_twice(events: Path) -> None:
    with pytest.raises(SourceError, match="named twice"):
        parse_sources([str(events), f"labels={events}"])
    with pytest.raises(SourceError, match="at least one SOURCE"):
        parse_sources([])


def test_files_of_one_name_keep_their_folders(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "x.jsonl").write_text("{}\n")
    one, two = str(tmp_path / "a/x.jsonl"), str(tmp_path / "b/x.jsonl")
    assert [n.name for n in parse_sources([one, two]) if isinstance(n, NamedFile)] == [one, two]
