"""Plugins as they come to a user: built and installed by pip, into a folder that is then on the search path."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

PLUGINS = Path(__file__).parents[2] / "plugins"


def install(target: Path, *names: str) -> dict[str, str]:
    """Install plugins of ``tests/plugins``; the environment in which they are found."""
    folders = [str(PLUGINS / name) for name in names]
    options = ["--quiet", "--no-deps", "--no-index", "--no-build-isolation", "--target", str(target)]
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", *options, *folders]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    return {**os.environ, "PYTHONPATH": str(target)}


def write_plugin(folder: Path, name: str, code: str, *, version: str = "1.0", distribution: str = "") -> None:
    """A plugin that is there as pip would have left it: a module, and a distribution with an entry point."""
    module = name.replace("-", "_")
    distribution = distribution or name
    (folder / f"{module}.py").write_text(code, encoding="utf-8")
    info = folder / f"{distribution.replace('-', '_')}-{version}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: {version}\n")
    (info / "entry_points.txt").write_text(f"[clustrix]\n{name} = {module}\n")
