"""Records commands in a terminal as pictures: ``hatch run docs:recordings [FOLDER]``.

Each is run for real, in a terminal of its own, with settings and jobs of its own.  Beside the pictures goes ``recordings.json``, what was said
without what changes from run to run; a test records anew, and compares.
"""

from __future__ import annotations

import io
import json
import os
import pty
import re
import select
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console
from rich.text import Text

FOLDER = Path(__file__).parent / "pictures"
WORDS = "recordings.json"
_WIDTH = 100
_SECONDS = 60
_FORMAT = re.sub(r"@font-face \{\{.*?\}\}\s*", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL)
"""rich's own, but for the fonts: they would come from elsewhere."""

_FIT = """\
import time

def fit(alpha, seed=0):
    for step in range(3):
        print(f"step {step}: loss {alpha * (seed + 1) / (step + 1):.3f}")
        time.sleep(0.05)
    if alpha < 0:
        raise ValueError(f"alpha must not be negative: {alpha}")
    return {"alpha": alpha, "seed": seed}
"""
RECORDINGS = {
    "terminal-run": (
        "clustrix run fit.py::fit 0.5 --kw seed=3",
        "clustrix run fit.py::fit -1",
        "clustrix why @last",
    ),
    "terminal-jobs": ("clustrix jobs", "clustrix timeline @last", "clustrix logs @last"),
    "terminal-doctor": ("clustrix doctor",),
    "terminal-config": (
        "clustrix config set default_cores 4 --profile hpc",
        "clustrix config set cluster_type local --profile hpc",
        "clustrix config profiles",
        "clustrix config set default_cores many",
    ),
}


def make(folder: Path) -> None:
    """All recordings."""
    folder.mkdir(parents=True, exist_ok=True)
    words = {}
    with tempfile.TemporaryDirectory(prefix="clustrix-recordings-") as home:
        work = Path(home, "work")
        work.mkdir()
        (work / "fit.py").write_text(_FIT, encoding="utf-8")
        for name, commands in RECORDINGS.items():
            shown = "".join(f"\x1b[1m$ {command}\x1b[0m\n{run(command, Path(home))}" for command in commands)
            shown = shown.replace(home, "/home/ada")
            (folder / f"{name}.svg").write_text(picture(name, shown), encoding="utf-8")
            words[name] = lasting(name, Text.from_ansi(shown).plain)
        run("clustrix dispatcher stop", Path(home))
    (folder / WORDS).write_text(json.dumps(words, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def run(command: str, home: Path) -> str:
    """What a command shows in a terminal, colours included."""
    ours, theirs = pty.openpty()
    places = {f"XDG_{name}_HOME": str(home / name.lower()) for name in ("STATE", "CONFIG", "DATA", "CACHE")}
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("CLUSTRIX_")},
        **places,
        "HOME": str(home),
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "COLUMNS": str(_WIDTH),
        "LINES": "50",
        "TERM": "xterm-256color",
        "LC_ALL": "C.UTF-8",
    }
    with subprocess.Popen(
        command.split(),
        cwd=home / "work",
        env=environment,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    ) as process:
        os.close(theirs)
        shown = _read(ours, process)
    os.close(ours)
    return shown.replace("\r\n", "\n")


def _read(terminal: int, process: subprocess.Popen[bytes]) -> str:
    found, deadline = b"", time.monotonic() + _SECONDS
    while time.monotonic() < deadline:
        if select.select([terminal], [], [], 0.1)[0]:
            try:
                data = os.read(terminal, 1 << 16)
            except OSError:  # nobody has the other end any more
                break
            if not data:
                break
            found += data
        elif process.poll() is not None:
            break
    else:
        process.kill()
        raise AssertionError(f"{process.args!r} is not done after {_SECONDS} s: {found!r}")
    return found.decode("utf-8", "replace")


def picture(name: str, shown: str) -> str:
    """As SVG, with nothing from elsewhere in it."""
    console = Console(record=True, width=_WIDTH, file=io.StringIO(), legacy_windows=False)
    console.print(Text.from_ansi(shown.rstrip("\n")))
    return console.export_svg(title="clustrix", code_format=_FORMAT, unique_id=name)


def lasting(name: str, text: str) -> list[str]:
    """What of it is the same next time, on any machine: without ids, numbers, paths and the lengths that follow from them."""
    if name == "terminal-doctor":  # what it finds is the machine's
        return re.findall(r"^(?:ok|warning|failed) +([^:]+):", text, re.MULTILINE)
    text = re.sub(r"\b[0-9A-Z]{26}\b", "ID", text)
    text = re.sub(r"(/[\w.~-]+)+", "PATH", text)
    text = re.sub(r"\d[\d.,:/-]*", "#", text)
    text = re.sub(r" *█+", "", text)
    return [line for raw in text.splitlines() if (line := " ".join(raw.split()))]


if __name__ == "__main__":
    make(Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER)
