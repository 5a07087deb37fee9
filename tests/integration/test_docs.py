"""The documentation says what happens: each page is followed, word by word."""

from __future__ import annotations

import importlib.util
import os
import re
import socket
import sys
from pathlib import Path

import pytest
from tests.integration._page import PageError, Terminal, blocks, follow, says

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = sorted(DOCS.rglob("*.md"))
FOLLOWED = [page for page in PAGES if any(b.language == "console" for b in blocks(page))]
LINK = re.compile(r"\]\(([^)#]+)(?:#[^)]*)?\)")
PORT = 9092


@pytest.fixture
def typing_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """The terminal of somebody who has followed the first lines of the tutorial."""
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    with socket.socket() as probe:
        if probe.connect_ex(("127.0.0.1", PORT)) == 0:
            pytest.skip(f"something listens on port {PORT} already, which the pages use")


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("page", FOLLOWED, ids=lambda page: str(page.relative_to(DOCS)))
def test_what_a_page_says_is_what_happens(typing_it: None, page: Path, tmp_path: Path) -> None:
    assert follow(page, tmp_path) > 0


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(DOCS)))
def test_every_command_and_every_link_of_a_page_is_held(page: Path) -> None:
    # A shell block of another kind would be a command that nobody runs.
    assert {b.language for b in blocks(page)} <= {
        "console",
        "yaml",
        "python",
        "json",
        "text",
        "csv",
    }
    for link in LINK.findall(page.read_text(encoding="utf-8")):
        assert link.startswith("https://") or (page.parent / link).exists(), link


def test_the_reference_is_what_the_code_says() -> None:
    spec = importlib.util.spec_from_file_location("generate", DOCS / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    for name, page in module.PAGES.items():
        assert page() == (DOCS / "reference" / name).read_text(encoding="utf-8"), name


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("```console\n$ echo 1\n2\n```\n", "expected:\n2"),
        ("```console\n$ false\n```\n", "exit code 1"),
        ("```console fails\n$ true\n```\n", "exit code 0"),
        ("```console other\n$ echo 1; exit\n2\n```\n", "expected:\n2"),
        ("```console\nwhat\n```\n", "begins with"),
    ],
)
def test_a_page_that_is_wrong_is_found(tmp_path: Path, text: str, problem: str) -> None:
    page = tmp_path / "page.md"
    page.write_text(text, encoding="utf-8")
    with pytest.raises(PageError, match=re.escape(problem)):
        follow(page, tmp_path)


def test_a_terminal_keeps_its_folder_and_is_closed(tmp_path: Path) -> None:
    terminal = Terminal(tmp_path, dict(os.environ))
    assert terminal.run("mkdir a && cd a && { sleep 100 & }") == ("", 0)
    assert terminal.run("pwd") == (f"{tmp_path}/a\n", 0)
    terminal.close()
    assert terminal._shell.poll() is not None


def test_an_ellipsis_is_any_text() -> None:
    assert says("a 12 s\nb\n", "a … s\nb\n")
    assert says("a\nb\nc\n", "a\n…\nc\n")
    assert not says("a\nb\n", "a\n")
