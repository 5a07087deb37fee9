"""A page of the documentation, followed word by word: what it says to type is typed.

A block whose fence says

- ``console`` is typed into a terminal, line by line after ``$ `` (``> `` goes on); what it prints
  has to be what stands there, where ``…`` is any text;
- ``console NAME`` is typed into another terminal of that name, and stays there until the page ends;
- ``console setup`` is what a fresh clone needs first, and ``console fails`` ends with an error;
- ``yaml FILE``, and any language followed by a file's name, is written into that file.

``python _page.py PAGE`` follows one in the folder where it is called.
"""

from __future__ import annotations

import doctest
import os
import queue
import re
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

FENCE = re.compile(r"^```([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
ENDED = "__ended__"
LIMIT_S = 300
STOP_S = 60
CHECK = doctest.OutputChecker()
RULES = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


class PageError(AssertionError):
    """The page says something else than what happens."""


@dataclass(frozen=True)
class Block:
    language: str
    about: str
    text: str

    @property
    def steps(self) -> list[tuple[str, str]]:
        """What is typed, and what has to follow."""
        steps: list[tuple[str, str]] = []
        for line in self.text.splitlines():
            if line.startswith("$ "):
                steps.append((line[2:], ""))
            elif line.startswith("> ") and steps and not steps[-1][1]:
                steps[-1] = (f"{steps[-1][0]}\n{line[2:]}", "")
            elif steps:
                steps[-1] = (steps[-1][0], f"{steps[-1][1]}{line}\n")
            else:
                msg = f"a block of type console begins with what is not typed: {line!r}"
                raise PageError(msg)
        return steps


def blocks(page: Path) -> list[Block]:
    """Read the fenced blocks of a page."""
    found = []
    for fence, text in FENCE.findall(page.read_text(encoding="utf-8")):
        language, _, about = fence.partition(" ")
        found.append(Block(language, about.strip(), text))
    return found


class Terminal:
    """A shell that is typed into; what it prints comes line by line."""

    def __init__(self, folder: Path, env: dict[str, str]) -> None:
        self._shell = subprocess.Popen(
            ["bash", "--norc", "--noprofile"],
            cwd=folder,
            env=env,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            bufsize=1,
            start_new_session=True,
        )
        self._lines: queue.Queue[str | None] = queue.Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self._shell.stdout is not None
        for line in self._shell.stdout:
            self._lines.put(line)
        self._lines.put(None)

    def type(self, command: str) -> None:
        assert self._shell.stdin is not None
        self._shell.stdin.write(f"{command}\n")
        self._shell.stdin.flush()

    def run(self, command: str) -> tuple[str, int]:
        """Type a command and wait for its end; return what it printed and its exit code."""
        self.type(f'{command}\necho "{ENDED} $?"')
        said = ""
        for line in self._until(time.monotonic() + LIMIT_S, command):
            text, ended, code = line.partition(ENDED)
            said += text
            if ended:
                return said, int(code)
        msg = f"$ {command}\nthe terminal was closed; it said:\n{said}"
        raise PageError(msg)

    def wait(self, command: str, expected: str) -> None:
        """Type a command that stays, and wait until it has said what is expected."""
        self.type(command)
        said = ""
        if not expected.strip():
            return
        for line in self._until(time.monotonic() + LIMIT_S, command):
            said += line
            if says(said, expected):
                return
        msg = f"$ {command}\nexpected:\n{expected}\ngot:\n{said}"
        raise PageError(msg)

    def _until(self, deadline: float, command: str) -> Iterator[str]:
        while True:
            try:
                line = self._lines.get(timeout=max(0.01, deadline - time.monotonic()))
            except queue.Empty:
                msg = f"$ {command}\nhas not come so far in {LIMIT_S} s"
                raise PageError(msg) from None
            if line is None:
                return
            yield line

    def close(self) -> None:
        """Press Ctrl-C, and end what does not."""
        assert self._shell.stdin is not None
        try:
            os.killpg(self._shell.pid, signal.SIGINT)
            self._shell.stdin.close()
            self._shell.wait(STOP_S)
        except (OSError, subprocess.TimeoutExpired):
            pass
        finally:
            for sign in (signal.SIGTERM, signal.SIGKILL):
                try:
                    os.killpg(self._shell.pid, sign)
                    time.sleep(1)
                except ProcessLookupError:
                    break
            self._shell.wait(STOP_S)
            self._reader.join(STOP_S)
            assert self._shell.stdout is not None
            self._shell.stdout.close()


def says(said: str, expected: str) -> bool:
    """Return whether a terminal said what a page has, spaces and ellipses apart."""
    return CHECK.check_output(expected.replace("…", "..."), said.replace("…", "..."), RULES)


def follow(page: Path, folder: Path, *, fresh: bool = False) -> int:
    """Do what a page says, in a folder; return how many commands were typed.

    Parameters
    ----------
    fresh
        The folder is a fresh clone: do what is said to do first in one, too.
    """
    env = {**os.environ, "COLUMNS": "100", "NO_COLOR": "1", "TERM": "dumb"}
    first = Terminal(folder, env)
    terminals = {"": first}
    typed = 0
    try:
        for block in blocks(page):
            if block.language != "console":
                if block.about:
                    (folder / block.about).write_text(block.text, encoding="utf-8")
                continue
            if block.about == "setup" and not fresh:
                continue
            stays = block.about not in ("", "setup", "fails")
            name = block.about if stays else ""
            if name not in terminals:
                terminals[name] = Terminal(folder, env)
            for command, expected in block.steps:
                typed += 1
                print(f"$ {command}", flush=True)
                if stays:
                    terminals[name].wait(command, expected)
                else:
                    _typed(first, command, expected, fails=block.about == "fails")
            if block.about == "setup":
                # Where the page goes on, and what further terminals are to have as well.
                folder = Path(first.run("pwd")[0].strip())
                env["PATH"] = first.run('echo "$PATH"')[0].strip()
    finally:
        for terminal in reversed(terminals.values()):
            terminal.close()
    return typed


def _typed(terminal: Terminal, command: str, expected: str, *, fails: bool) -> None:
    said, code = terminal.run(command)
    print(said, end="", flush=True)
    if (code == 0) == fails:
        msg = f"$ {command}\nexit code {code}; it said:\n{said}"
        raise PageError(msg)
    if not says(said, expected):
        msg = f"$ {command}\nexpected:\n{expected}\ngot:\n{said}"
        raise PageError(msg)


if __name__ == "__main__":
    followed = follow(Path(sys.argv[1]).resolve(), Path.cwd(), fresh=True)
    print(f"{sys.argv[1]}: {followed} commands, each as it stands there")
