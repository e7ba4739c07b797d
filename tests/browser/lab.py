"""A real JupyterLab of its own: settings, notebooks and jobs in folders of their own, on a free port of this machine."""

from __future__ import annotations

import json
import os
import secrets
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

_START_SECONDS = 60.0


class Lab:
    """Runs until it is stopped.  ``folder``: its notebooks are below it, and all that it writes."""

    def __init__(self, folder: Path, **environment: str) -> None:
        self.folder = folder
        self.notebooks = folder / "notebooks"
        self.notebooks.mkdir()
        self._token = secrets.token_hex(8)
        self._port = _free_port()
        self.url = f"http://127.0.0.1:{self._port}"
        asks = folder / "set" / "@jupyterlab" / "apputils-extension" / "notification.jupyterlab-settings"
        asks.parent.mkdir(parents=True)
        asks.write_text('{"fetchNews": "false"}', encoding="utf-8")
        self._log = (folder / "lab.log").open("wb")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "jupyterlab", *self._options()],
            env={**os.environ, **self._places(), **environment},
            cwd=self.notebooks,
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        self._await()

    def _options(self) -> list[str]:
        return [
            "--no-browser",
            f"--ServerApp.port={self._port}",
            "--ServerApp.port_retries=0",
            "--ServerApp.ip=127.0.0.1",
            "--ServerApp.allow_root=True",
            f"--IdentityProvider.token={self._token}",
            f"--ServerApp.root_dir={self.notebooks}",
            "--LabApp.expose_app_in_browser=True",
            "--JupyterNotebookApp.expose_app_in_browser=True",
            "--LabApp.extension_manager=readonly",
            "--LabApp.news_url=",
        ]

    def _places(self) -> dict[str, str]:
        names = {"JUPYTER_CONFIG_DIR": "config", "JUPYTER_DATA_DIR": "data", "JUPYTER_RUNTIME_DIR": "run"}
        names |= {
            "IPYTHONDIR": "ipython",
            "JUPYTERLAB_WORKSPACES_DIR": "ws",
            "JUPYTERLAB_SETTINGS_DIR": "set",
        }
        return {variable: str(self.folder / name) for variable, name in names.items()}

    def _await(self) -> None:
        deadline = time.monotonic() + _START_SECONDS
        while time.monotonic() < deadline:
            assert self.process.poll() is None, self.log()
            try:
                self.ask("/api/status")
                return
            except OSError:
                time.sleep(0.1)
        raise AssertionError(f"JupyterLab has not come up:\n{self.log()}")

    def ask(self, path: str, method: str = "GET", body: Any = None) -> Any:
        """One request to the server's own interface."""
        data = None if body is None else json.dumps(body).encode()
        headers = {"Authorization": f"token {self._token}", "Content-Type": "application/json"}
        request = urllib.request.Request(self.url + path, data, headers, method=method)  # noqa: S310 -- http, here
        with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
            text = answer.read()
        return json.loads(text) if text else None

    def address(self, notebook: str, ui: str = "lab") -> str:
        """Where a browser finds a notebook."""
        place = "lab/tree" if ui == "lab" else "notebooks"
        return f"{self.url}/{place}/{notebook}?token={self._token}&reset"

    def write(self, name: str, *cells: str) -> None:
        """A notebook with these cells of code."""
        content = {
            "cells": [
                {"cell_type": "code", "id": f"c{index}", "metadata": {}, "source": text, "outputs": [], "execution_count": None}
                for index, text in enumerate(cells)
            ],
            "metadata": {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}},
            "nbformat": 4,
            "nbformat_minor": 5,
        }  # fmt: skip
        (self.notebooks / name).write_text(json.dumps(content), encoding="utf-8")

    def read(self, name: str) -> Any:
        """A notebook as it is saved."""
        return json.loads((self.notebooks / name).read_text(encoding="utf-8"))

    def log(self) -> str:
        """The end of what the server has written."""
        return (self.folder / "lab.log").read_text(encoding="utf-8", errors="replace")[-4000:]

    def kernels(self) -> list[str]:
        """The ids of those that run."""
        return [kernel["id"] for kernel in self.ask("/api/kernels")]

    def end_kernels(self) -> None:
        """All of them."""
        for session in self.ask("/api/sessions"):
            self.ask(f"/api/sessions/{session['id']}", "DELETE")

    def stop(self) -> None:
        """The server and its kernels."""
        self.end_kernels()
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self._log.close()


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])
