"""A page being read by somebody who types all of it: a home directory, a shell, a Python session, a state directory."""

from __future__ import annotations

import json
import os
import re
import select
import subprocess
import sys
import time
from pathlib import Path

from tests.docs.blocks import ROOT, Block

_LONGEST_SECONDS = 100
_SETTINGS_SECONDS = 1.1
"""For so long a process may not see that a file of settings has been edited."""
_START = "import sys; sys.path.insert(0, {root!r}); from tests.docs import session; del sys.path[0]; session.serve({answers})"


class Page:
    """Runs blocks, each once, those above it first."""

    def __init__(self, blocks: list[Block], home: Path, state: Path) -> None:
        self._left = list(blocks)
        self._found: dict[Block, str | None] = {}
        self._folder = home / "work"
        installed = home / "installed"
        for folder in (self._folder, installed):
            folder.mkdir()
        plain = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("CLUSTRIX_", "XDG_", "FORCE_"))
        }
        self._environ = {
            **plain,
            "HOME": str(home),
            "XDG_STATE_HOME": str(state),
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "PYTHONPATH": str(installed),
            "PIP_TARGET": str(installed),  # what a page installs is not for the other tests
            "PIP_NO_INDEX": "1",
            "PIP_NO_DEPS": "1",
            "PIP_NO_BUILD_ISOLATION": "0",  # which means: without isolation
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
            "NO_COLOR": "1",
            "COLUMNS": "120",
        }
        self._printed = home / "printed"
        self._session: subprocess.Popen[str] | None = None
        self._answers = -1

    def run(self, block: Block) -> str | None:
        """What is wrong with it; None if it does what it shows."""
        while block not in self._found:
            above = self._left.pop(0)
            self._found[above] = self._run(above)
        return self._found[block]

    def close(self) -> None:
        """End the session."""
        if self._session is not None:
            assert self._session.stdin is not None
            self._session.stdin.close()
            try:
                self._session.wait(20)
            except subprocess.TimeoutExpired:
                self._session.kill()
                self._session.wait()
                raise
            finally:
                os.close(self._answers)

    def _run(self, block: Block) -> str | None:
        if block.file:
            path = Path(block.file.replace("~", self._environ["HOME"], 1))
            path = self._folder / path
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block.text, encoding="utf-8")
            if self._session is not None:
                time.sleep(_SETTINGS_SECONDS)
            return None
        if block.language == "console":
            return self._console(block.text)
        if block.language == "sh":
            return _compared(*self._shell(block.text), block.output)
        return _compared(*self._type(block), block.output)

    def _console(self, text: str) -> str | None:
        for command in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
            line, _, shown = command.partition("\n")
            wrong = _compared(*self._shell(line), shown if shown.strip() else None)
            if wrong:
                return f"$ {line}\n{wrong}"
        return None

    def _shell(self, text: str) -> tuple[bool, str]:
        run = subprocess.run(
            ["bash", "-e", "-c", text],
            cwd=self._folder,
            env=self._environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=_LONGEST_SECONDS,
            check=False,
        )
        return run.returncode == 0, run.stdout

    def _type(self, block: Block) -> tuple[bool, str]:
        if self._session is None:
            self._begin()
        assert self._session is not None
        assert self._session.stdin is not None
        before = self._printed.stat().st_size
        asked = {"text": block.text, "path": str(ROOT / block.page), "line": block.line}
        self._session.stdin.write(json.dumps(asked) + "\n")
        self._session.stdin.flush()
        ready, _, _ = select.select([self._answers], [], [], _LONGEST_SECONDS)
        answer = os.read(self._answers, 100) if ready else b"no answer"
        with self._printed.open("rb") as file:
            file.seek(before)
            return answer == b"ok\n", file.read().decode()

    def _begin(self) -> None:
        self._answers, there = os.pipe()
        with self._printed.open("ab") as printed:
            self._session = subprocess.Popen(
                [sys.executable, "-u", "-c", _START.format(root=str(ROOT), answers=there)],
                cwd=self._folder,
                env=self._environ,
                stdin=subprocess.PIPE,
                stdout=printed,
                stderr=subprocess.STDOUT,
                pass_fds=[there],
                text=True,
            )
        os.close(there)


def _compared(succeeded: bool, found: str, shown: str | None) -> str | None:
    """What is wrong with an output; one that is not shown may be anything but a failure or a warning."""
    if shown is None:
        if not succeeded:
            return f"it fails:\n{found}"
        return f"it warns, and does not show that:\n{found}" if "Warning: " in found else None
    wanted = ".*".join(re.escape(part.strip()) for part in _flat(shown).split("…"))
    if re.fullmatch(wanted, _flat(found), re.DOTALL):
        return None
    return f"it shows:\n{shown}\nand this comes:\n{found}"


def _flat(text: str) -> str:
    return re.sub(r"\s+", " ", text).strip()
