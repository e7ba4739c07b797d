"""The connection test of the form, against real hosts."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import Show
from tests.browser.form import Form
from tests.core.conftest import fresh_state
from tests.testbed.fixtures import otp, sshd, user
from tests.testbed.otp import OtpSshd
from tests.testbed.sshd import Sshd
from tests.testbed.user import remove_for

__all__ = ["fresh_state", "otp", "sshd", "user"]
pytestmark = pytest.mark.timeout(200)


@pytest.fixture
def stranger(tmp_path: Path, fresh_state: Path) -> str:
    """Somebody who knows no host yet: what a kernel's cell does to be that."""
    ssh = tmp_path / ".ssh"
    ssh.mkdir(mode=0o700)
    (ssh / "config").write_text(
        f"Host *\n  UserKnownHostsFile {ssh}/known_hosts\n  GlobalKnownHostsFile none\n"
    )
    more = {"HOME": str(tmp_path), "XDG_STATE_HOME": str(fresh_state)}
    return f"import os; os.environ.update({more!r}); os.environ.pop('SSH_AUTH_SOCK', None)"


@pytest.fixture
def far(sshd: Sshd) -> Iterator[str]:
    """A folder of this test's own on the hosts."""
    name = f".clustrix-{os.urandom(4).hex()}"
    yield f"~/{name}"
    remove_for(sshd.user, name)


def fill(shown: Form, server: Sshd, far: str) -> None:
    shown.put("cluster_type", "ssh")
    for name, value in {**server.settings, "remote_work_dir": far}.items():
        shown.put(name, str(value))


def steps(shown: Form, state: str = "") -> Locator:
    return shown.panel("Connection test").locator(f".clx-step{f'.clx-{state}' if state else ''}")


def doing(shown: Form) -> Locator:
    return shown.panel("Connection test").locator(".clx-doing")


def test_host_is_tested_step_by_step(form: Show, desk: Page, sshd: Sshd, stranger: str, far: str) -> None:
    """An unknown key is shown with its fingerprint, and trusted or not; then each step is seen, a job at last; beside a running cell too."""
    shown = form("import time; time.sleep(300)", before=stranger)
    fill(shown, sshd, far)
    shown.press("Test connection")
    question = shown.panel("Connection test").locator(".clx-question")
    expect(question).to_contain_text("ssh-ed25519 SHA256:")
    shown.press("Do not trust them", "Connection test")
    expect(steps(shown, "failed")).to_contain_text("connection", timeout=20_000)
    expect(doing(shown)).to_contain_text("ssh cannot be used as it is")
    expect(question).to_be_hidden()
    shown.notebook.start(1)
    shown.press("Test connection")
    expect(question).to_contain_text("SHA256:")
    shown.press("These are the host's: trust them", "Connection test")
    expect(doing(shown)).to_contain_text("ssh can be used; looked for", timeout=60_000)
    seen = [text.split(":")[0] for text in steps(shown).locator("strong").all_inner_texts()]
    assert seen[:2] == ["host key", "connection"]
    assert seen[-1] == "job"
    assert steps(shown, "failed").count() == 0
    assert shown.notebook.page.locator(".clx-said").inner_text() == ""
    shown.put("cluster_port", "1")
    shown.press("Test connection")
    expect(steps(shown, "failed")).to_contain_text("connection", timeout=30_000)
    expect(steps(shown, "failed")).to_contain_text("1")
    desk.evaluate("() => window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.interrupt()")


def test_second_factor_is_asked_for_and_a_kernel_that_dies_is_told(
    form: Show, desk: Page, sshd: Sshd, otp: OtpSshd, stranger: str, far: str
) -> None:
    """In the form; what is typed is not seen; stopped it asks no more, and within ten seconds one knows that nobody is there."""
    shown = form("import os; print(os.getpid())", before=stranger)
    pid = int(shown.notebook.run(1).inner_text())
    (Path(stranger.split("'HOME': '")[1].split("'")[0]) / ".ssh" / "known_hosts").write_text(
        otp.sshd.known_hosts.read_text()
    )
    fill(shown, otp.sshd, far)
    panel = shown.panel("Connection test")
    answer = panel.locator(".clx-question input")
    shown.press("Test connection")
    expect(panel.locator(".clx-asked")).to_contain_text("Verification code", timeout=30_000)
    shown.press("Stop", "Connection test")
    expect(doing(shown)).to_have_text("stopped")
    expect(answer).to_be_hidden()
    shown.press("Test connection")
    expect(answer).to_be_focused(timeout=30_000)
    assert answer.get_attribute("type") == "password"
    desk.keyboard.type(otp.code())
    desk.keyboard.press("Enter")
    expect(steps(shown, "ok").first).to_contain_text("connection", timeout=30_000)
    expect(steps(shown).nth(3)).to_be_visible(timeout=30_000)
    shown.press("Test connection")
    expect(panel.locator(".clx-asked")).to_contain_text("Verification code", timeout=30_000)
    desk.wait_for_timeout(9_000)
    expect(panel.locator(".clx-asked")).to_be_visible()
    os.kill(pid, signal.SIGKILL)
    began = time.monotonic()
    expect(doing(shown)).to_contain_text("The kernel says nothing any more", timeout=12_000)
    assert time.monotonic() - began < 11
    expect(answer).to_be_hidden()


def test_key_is_set_up_by_an_assistant(form: Show, sshd: Sshd, stranger: str, far: str) -> None:
    """It is there where hosts are reached by SSH; here it finds that the key of the form lets in already, after the host is trusted."""
    shown = form(before=stranger)
    assistant = shown.root.get_by_role("button", name="Set up a key…", exact=True)
    expect(assistant).to_be_hidden()
    fill(shown, sshd, far)
    expect(assistant).to_be_visible()
    assistant.click()
    panel = shown.panel("Set up a key")
    expect(panel.locator(".clx-question")).to_contain_text("SHA256:", timeout=20_000)
    shown.press("These are the host's: trust them", "Set up a key")
    expect(panel.locator(".clx-doing")).to_contain_text("done", timeout=30_000)
    expect(panel.locator(".clx-step[data-what=login]")).to_contain_text("lets")
    assert panel.locator(".clx-failed").count() == 0
