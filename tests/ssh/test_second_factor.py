"""A host that wants a code besides the key: it is asked for once, of who is there, and never unattended."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import pytest

from clustrix import configure
from tests.core.support import dispatchers_of
from tests.ssh.support import kill_agents, know, until
from tests.ssh.terminal import Terminal, python
from tests.ssh.work import double, wait
from tests.testbed.otp import OtpSshd

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(200),
    pytest.mark.usefixtures("fresh_state", "on_otp"),
]


@pytest.fixture
def on_otp(home: Path, otp: OtpSshd, far_folder: str, monkeypatch: pytest.MonkeyPatch) -> None:
    know(home, otp.sshd)
    # Where a command and a script find it as well.
    folder = home / ".config" / "clustrix"
    folder.mkdir(parents=True)
    settings = {"cluster_type": "ssh", "remote_work_dir": far_folder, **otp.sshd.settings}
    (folder / "config.yml").write_text(json.dumps(settings))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(home / ".config"))
    configure(**settings)


def _login(otp: OtpSshd) -> None:
    terminal = Terminal([sys.executable, "-m", "clustrix", "login"])
    terminal.wait_for("Verification code:")
    terminal.type(otp.code())
    assert terminal.end() == 0, terminal.shown
    assert "connected" in terminal.shown


def test_code_is_asked_for_once_and_never_unattended(otp: OtpSshd, fresh_state: Path) -> None:
    """One connection serves all that follows, and nobody knocks at the host without a person: pain 25."""
    before = otp.count("Connection from")
    job = double.submit(21)
    until(
        lambda: "needs your second factor (Verification code:): clustrix login" in (job.status().reason or "")
    )
    assert job.status().state.value == "STAGING"
    time.sleep(5)
    assert otp.count("Connection from") == before + 1
    accepted = otp.count("Accepted keyboard-interactive")
    _login(otp)
    assert job.result(30) == 42
    assert [double(number) for number in range(3)] == [0, 2, 4]
    assert otp.count("Accepted keyboard-interactive") == accepted + 1


def test_agent_that_is_killed_costs_no_code(otp: OtpSshd, fresh_state: Path, open_path: Path) -> None:
    """Login nodes end processes that live long; the connection stays, and no job is lost: pain 30."""
    _login(otp)
    accepted = otp.count("Accepted keyboard-interactive")
    for _ in range(3):
        job = wait.submit(1, str(open_path / "begun"))
        until((open_path / "begun").exists)
        kill_agents(otp.sshd)
        assert job.result(60) == "slept"
        (open_path / "begun").unlink()
    assert otp.count("Accepted keyboard-interactive") == accepted


def test_connection_that_is_lost_is_not_opened_unattended(otp: OtpSshd, fresh_state: Path) -> None:
    """The job waits and says so until somebody answers; nobody knocks at the host meanwhile."""
    _login(otp)
    assert double(1) == 2
    otp.sshd.cut()
    before = otp.count("Connection from")
    job = double.submit(2)
    until(lambda: "clustrix login" in (job.status().reason or ""), 90)
    time.sleep(4)
    assert otp.count("Connection from") == before
    _login(otp)
    assert job.result(60) == 4


def test_who_waits_at_a_terminal_is_asked(otp: OtpSshd) -> None:
    """Nothing else has to be called."""
    terminal = python(
        "from tests.ssh.work import double\nprint('got', double.submit(4).result())\nprint('then', double(5))"
    )
    terminal.wait_for("Verification code:")
    terminal.type(otp.code())
    terminal.wait_for("got 8")
    terminal.wait_for("then 10")
    assert terminal.end() == 0


def test_wrong_code_is_asked_for_again(otp: OtpSshd) -> None:
    """And then it is told."""
    terminal = Terminal([sys.executable, "-m", "clustrix", "login"])
    for _ in range(3):
        terminal.wait_for("Verification code:")
        terminal.shown = ""
        terminal.type("000000")
    assert terminal.end() == 1
    assert "the answers were wrong" in terminal.shown


def test_dispatcher_stays_with_a_connection_that_a_person_has_opened(
    otp: OtpSshd, fresh_state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Though there is nothing to do."""
    _login(otp)
    (pid,) = dispatchers_of(fresh_state)
    time.sleep(8)
    assert dispatchers_of(fresh_state) == [pid]
    assert double(1) == 2


def test_login_without_a_host_says_what_to_do(home: Path) -> None:
    """There is none in the settings."""
    (home / ".config" / "clustrix" / "config.yml").unlink()
    terminal = Terminal([sys.executable, "-m", "clustrix", "login"])
    assert terminal.end() == 1
    assert "clustrix login HOST" in terminal.shown
