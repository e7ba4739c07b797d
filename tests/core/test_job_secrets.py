"""Secrets of a job: it has them, and nothing else does."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clustrix import JobState, cluster
from clustrix.errors import ConfigError, JobKilled, JobNotStarted, SecretUnavailable
from clustrix.runner import sealing
from clustrix.runner.redacting import BLOT, blotted
from tests.core.support import add_line, everything_waits, lines, wait_for_file, wait_until

pytestmark = pytest.mark.usefixtures("state")

SECRET = "-".join(["hush", "Äé", "31415926"])  # in parts: the source of this module travels with its jobs


@pytest.fixture(autouse=True)
def variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_TOKEN", SECRET)


def files_with(folder: Path, text: str) -> list[Path]:
    """All files in which a text stands, whole or as JSON has it."""
    forms = (text.encode(), text.encode("unicode_escape"), text.encode("utf-16-le"))
    return [
        path
        for path in folder.rglob("*")
        if path.is_file() and any(form in path.read_bytes() for form in forms)
    ]


def speak(gate: str = "") -> str:
    token = os.environ["TEST_TOKEN"]
    print("token:", token, flush=True)
    print("on stderr", token, file=sys.stderr, flush=True)
    os.write(1, b"raw " + token.encode()[:7])
    os.write(1, token.encode()[7:] + b" end\n")
    subprocess.run(["sh", "-c", "echo from a child $TEST_TOKEN"], check=True)
    if gate:
        wait_for_file(gate)
    return token


def test_job_has_its_secret_and_no_file_has_it(state: Path, gate: Path, tmp_path: Path) -> None:
    """Neither while it waits, nor while it runs, nor afterwards; what it prints is blotted out."""
    f = cluster(secrets=["TEST_TOKEN"])(speak)
    with everything_waits(tmp_path):
        job = f.submit(str(gate))
        with_dispatcher = (
            job.state
        )  # the holder's own environment is another matter: it has the variable, too
        assert with_dispatcher in (JobState.CREATED, JobState.QUEUED)
    wait_until(lambda: "from a child" in job.logs(), "it has spoken")
    assert SECRET not in job.logs()
    gate.touch()
    assert job.result(timeout=20) == SECRET
    text = job.logs()
    assert text.splitlines() == [
        "token: ***",
        "raw *** end",
        "from a child ***",
        "on stderr ***",
    ]


def test_nothing_on_disk_while_it_waits_and_runs(fresh_state: Path, tmp_path: Path) -> None:
    """The whole state directory is searched at each step; the process list, too."""
    gate = tmp_path / "gate"
    job = cluster(secrets=["TEST_TOKEN"])(speak_no_result).submit(str(gate))
    wait_until(lambda: job.state is JobState.RUNNING, "it runs")
    assert files_with(fresh_state, SECRET) == []
    lists = [Path(f"/proc/{entry}/cmdline") for entry in os.listdir("/proc") if entry.isdigit()]
    assert [path for path in lists if path.exists() and SECRET.encode() in _read(path)] == []
    gate.touch()
    job.result(timeout=20)
    assert files_with(fresh_state, SECRET) == []


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


def speak_no_result(gate: str) -> int:
    return len(speak(gate))


def test_map_has_its_secrets(state: Path) -> None:
    """Every worker's output is blotted out."""
    f = cluster(secrets=["TEST_TOKEN"])(speak_item)
    jobs = f.map(range(6))
    assert jobs.result(timeout=20) == [len(SECRET)] * 6
    text = jobs.logs()
    assert SECRET not in text
    assert text.count("***") == 6


def speak_item(number: int) -> int:
    print(number, os.environ["TEST_TOKEN"])
    return len(os.environ["TEST_TOKEN"])


def test_failure_tells_no_secret(state: Path) -> None:
    """The end of its stderr is in the error, blotted out as well."""

    def die() -> None:
        print("about to die with", os.environ["TEST_TOKEN"], file=sys.stderr, flush=True)
        os.kill(os.getpid(), 9)

    with pytest.raises(JobKilled) as caught:
        cluster(secrets=["TEST_TOKEN"])(die)()
    assert SECRET not in str(caught.value)


def test_secret_of_the_option_goes_before_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """``environment_variables`` can bring it."""

    def token() -> str:
        return os.environ["OTHER_TOKEN"]

    f = cluster(environment_variables={"OTHER_TOKEN": "given-here"}, secrets=["OTHER_TOKEN"])(token)
    assert f() == "given-here"


def test_missing_secret_is_told_before_anything_is_submitted(state: Path) -> None:
    """With what to do."""
    with pytest.raises(SecretUnavailable, match="NOT_THERE"):
        cluster(secrets=["NOT_THERE"])(speak).submit()
    with pytest.raises(ConfigError, match="must be a list"):
        cluster(secrets=3)  # type: ignore[call-overload]


def test_key_that_is_gone_is_told(tmp_path: Path) -> None:
    """As after a restart of the machine: the function is not called."""
    count = tmp_path / "runs"
    path = sealing.key_path(str(tmp_path))
    with everything_waits(tmp_path):
        job = cluster(secrets=["TEST_TOKEN"])(add_line).submit(str(count))
        kept = Path(path).rename(path + ".away")
    try:
        with pytest.raises(JobNotStarted, match="the key that opens its secret TEST_TOKEN is gone"):
            job.result(timeout=20)
    finally:
        kept.rename(path)
    assert lines(count) == []


@pytest.fixture
def key(tmp_path: Path) -> str:
    return sealing.key_path(str(tmp_path))


@given(text=st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])))
def test_sealed_text_comes_back(text: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Whatever it is; twice sealed it looks different."""
    path = sealing.key_path(str(tmp_path_factory.getbasetemp()))
    sealed = sealing.seal(text, path)
    assert sealing.opened({"A": sealed, "B": "plain"}) == ({"A": text, "B": "plain"}, [text])
    if text:
        assert sealing.seal(text, path) != sealed


def test_what_was_changed_does_not_open(key: str) -> None:
    """Nor does what another key has sealed."""
    sealed = sealing.seal("secret text", key)
    for changed in (sealed.replace(sealed[-8], "0" if sealed[-8] != "0" else "1"),):
        with pytest.raises(sealing.Unsealable):
            sealing.opened({"A": changed})


@given(
    parts=st.lists(st.binary(max_size=30)),
    word=st.binary(min_size=4, max_size=12),
    cuts=st.lists(st.integers(1, 7), min_size=1, max_size=30),
)
def test_words_are_blotted_out_wherever_they_are_cut(
    parts: list[bytes], word: bytes, cuts: list[int]
) -> None:
    """However the output comes, the whole is what blotting the whole gives."""
    data = word.join(parts)
    found, held, start = b"", b"", 0
    for number in range(len(data) + 1):
        size = cuts[number % len(cuts)]
        piece = data[start : start + size]
        if not piece:
            break
        start += size
        ready, held = blotted(held + piece, [word], last=False)
        found += ready
    found += blotted(held, [word], last=True)[0]
    assert found == data.replace(word, BLOT)
