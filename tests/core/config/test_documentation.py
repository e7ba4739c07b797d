"""The page about configuration: what it shows works."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from clustrix.config import files, layers, origins
from clustrix.config.layers import Known
from tests.core.config.conftest import World
from tests.core.support import run_script

PAGE = Path(__file__).parents[3] / "docs/how-to/configuration.md"

pytestmark = pytest.mark.usefixtures("state")


def test_blocks_of_the_page_work(world: World) -> None:
    """In their order: files are read without a complaint and hold from then on, scripts and commands run."""
    blocks = re.findall(r"^```(\w+)\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    assert {language for language, _ in blocks} == {"yaml", "toml", "sh", "python", "text"}
    for language, text in blocks:
        if language == "yaml":
            world.write_user(text)
        elif language == "toml":
            layer = layers.of_file(files.parse("pyproject.toml", text), origins.PROJECT, Known())
            assert layer.values
        elif language == "python":
            run = run_script(text, folder=world.project)
            assert (run.returncode, run.stderr) == (0, ""), text
        elif language == "sh":
            for line in text.splitlines():
                command = [sys.executable, "-m", *line.split()]
                run = subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ)
                assert (run.returncode, run.stderr) == (0, ""), (line, run.stdout)
