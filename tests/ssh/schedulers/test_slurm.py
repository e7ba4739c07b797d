"""What is asked of Slurm, and what its answers mean; without a Slurm."""

from __future__ import annotations

import itertools
import re
import shlex
from functools import partial

import pytest

from clustrix_ssh.schedulers import directives, slurm_answers
from clustrix_ssh.schedulers.interface import Answer, Cause, Full, Refused, State, Unavailable
from clustrix_ssh.schedulers.slurm import Slurm
from tests.ssh.schedulers.support import script_of

SLURM = Slurm()

_PIECES = ["$(touch X)", "`touch X`", "'", '"', "\n", "\r\n#SBATCH --uid=0", "\\", ";", "&& x", "| x", "> x", "\0", "\x1b[31m", "é 東 🙂", "-rf",
           " ", "%", "#", "{x}", "${IFS}", "~", "*", "../..", "a" * 300, "--wrap=id"]  # fmt: skip
HOSTILE = sorted(
    {"".join(pair) for pair in itertools.product(_PIECES, repeat=2)}
    | set(_PIECES)
    | {"plain", "long_queue-2"}
)[:400]


script = partial(script_of, SLURM)


def options(text: str) -> list[str]:
    """The directives, as sbatch reads them: words as a shell would have them."""
    lines = [line for line in text.splitlines() if line.startswith("#SBATCH ")]
    return [word for line in lines for word in shlex.split(line.removeprefix("#SBATCH "))]


def test_there_are_enough_hostile_strings() -> None:
    """Two hundred at least."""
    assert len(HOSTILE) >= 200


@pytest.mark.parametrize("field", ["default_partition", "account", "qos", "constraint", "mail", "dependency"])
def test_hostile_value_is_passed_on_exactly_or_refused(field: str) -> None:
    """None of them begins a line of its own, and none is changed."""
    passed, refusals = 0, []
    for value in HOSTILE:
        try:
            text = script(**{field: value})
        except Refused as error:
            refusals.append(str(error))
            continue
        passed += 1
        assert text.splitlines()[-1] == "exec true"
        assert [word for word in options(text) if word.endswith(f"={value}")], value
        assert len(options(text)) == 5
    assert passed >= 3
    assert all(field in said for said in refusals)


@pytest.mark.parametrize("value", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_name_is_a_name(value: str) -> None:
    """Only what every scheduler can show is left of it."""
    assert re.fullmatch(r"[A-Za-z0-9_-]{1,24}", directives.safe_name(value))


def test_hostile_option_is_refused_by_its_name() -> None:
    """Or passed on exactly."""
    refusals: list[str] = []
    for value in HOSTILE:
        try:
            text = script(scheduler_options={"comment": value})
        except Refused as error:
            refusals.append(str(error))
            continue
        assert f"--comment={value}" in options(text)
    assert all("comment" in said for said in refusals)
    with pytest.raises(Refused, match="no option's name"):
        script(scheduler_options={"x\n#SBATCH --uid=0": "1"})


def test_nothing_is_asked_for_that_was_not_wished() -> None:
    """No memory, no time: pain 36."""
    assert options(script()) == ["--job-name=fit-1", "--output=/dev/null", "--ntasks=1", "--cpus-per-task=2"]


def test_wishes_become_options() -> None:
    """In the site's own units."""
    text = script(
        memory_bytes=3 << 30,
        time_s=5400.0,
        elements=10,
        default_queue="long",
        gpus="a100:2",
        exclusive=True,
        nodes=2,
    )
    assert options(text)[4:] == [
        "--mem=3072M",
        "--time=1:30:00",
        "--array=0-9",
        "--partition=long",
        "--nodes=2",
        "--exclusive",
        "--gres=gpu:a100:2",
    ]


def test_own_option_takes_the_place_of_ours() -> None:
    """By its long name, by its letter, and where it says the same otherwise: pain 36."""
    text = script(
        memory_bytes=1 << 30,
        default_partition="a",
        scheduler_options={"p": "b", "mem-per-cpu": "2G", "requeue": True},
    )
    found = options(text)
    assert "--partition=b" in found
    assert "--mem-per-cpu=2G" in found
    assert "--requeue" in found
    assert not [word for word in found if word.startswith(("--mem=", "--partition=a"))]


@pytest.mark.parametrize(
    ("said", "number"),
    [
        ("4711\n", "4711"),
        ("4711;lab\n", "4711"),
        ("Welcome to 12 nodes\n4711\n", "4711"),
        ("Submitted batch job 4711\nHave a nice day\n", "4711"),
        ("** Submitted batch job 4711 on cluster lab\n", "4711"),
    ],
)
def test_number_is_found_in_noise(said: str, number: str) -> None:
    """Site wrappers talk."""
    assert slurm_answers.number(Answer(0, said, "")) == number


@pytest.mark.parametrize(
    ("said", "cls"),
    [
        ("sbatch: error: Batch job submission failed: Invalid partition name specified", Refused),
        (
            "sbatch: error: Batch job submission failed: Requested node configuration is not available",
            Refused,
        ),
        (
            "sbatch: error: Batch job submission failed: Invalid account or account/partition combination specified",
            Refused,
        ),
        (
            "sbatch: error: Batch job submission failed: Unable to contact slurm controller (connect failure)",
            Unavailable,
        ),
        ("sbatch: error: Batch job submission failed: Socket timed out on send/recv operation", Unavailable),
        (
            "sbatch: error: QOSMaxSubmitJobPerUserLimit\nsbatch: error: Batch job submission failed: Job violates accounting/QOS policy",
            Full,
        ),
    ],
)
def test_refusals_are_told_apart(said: str, cls: type[Exception]) -> None:
    """What will never be taken, what is not heard now, what is too much now."""
    with pytest.raises(cls) as told:
        slurm_answers.number(Answer(1, "", said))
    assert type(told.value) is cls


def test_ranges_of_waiting_elements_are_taken_apart() -> None:
    """Each by itself, with its reason, hint and start."""
    rows = slurm_answers.queue(
        Answer(
            0,
            "7_[1-3,5%2]|PENDING|2026-11-25T12:00:00||Priority\n7_0|RUNNING|N/A|n1|None\n8|COMPLETING|N/A|n2|None\n",
            "",
        )
    )
    assert sorted(rows) == ["7_0", "7_1", "7_2", "7_3", "7_5", "8"]
    assert rows["7_5"].state is State.QUEUED
    assert rows["7_5"].hint == "other jobs go first"
    assert rows["7_5"].start is not None
    assert rows["7_0"] == (State.RUNNING, "", "", None)
    assert rows["8"].reason == "completing"


@pytest.mark.parametrize(
    ("rows", "cause", "signal"),
    [
        ("7|COMPLETED|0:0||n1|None\n7.batch|COMPLETED|0:0|1024K|n1|", Cause.FINISHED, None),
        ("7|FAILED|3:0||n1|None\n7.batch|FAILED|3:0|1024K|n1|", Cause.EXITED, None),
        ("7|FAILED|0:9||n1|None\n7.batch|FAILED|0:9|900M|n1|", Cause.EXITED, 9),
        ("7|OUT_OF_MEMORY|0:125||n1|None", Cause.MEMORY, 125),
        ("7|TIMEOUT|0:0||n1|None", Cause.TIME, None),
        ("7|CANCELLED by 1002|0:0||n1|None", Cause.CANCELLED, None),
        ("7|NODE_FAIL|0:0||n1|None", Cause.NODE, None),
        ("7|PREEMPTED|0:0||n1|None", Cause.PREEMPTED, None),
    ],
)
def test_ends_are_told_apart(rows: str, cause: Cause, signal: int | None) -> None:
    """With the evidence in Slurm's own words."""
    end = slurm_answers.ends(Answer(0, rows + "\n", ""))["7"]
    assert end is not None
    assert (end.cause, end.signal) == (cause, signal)
    assert rows.split("|")[1] in end.evidence
    assert end.who == ("1002" if cause is Cause.CANCELLED else "")


def test_job_that_was_queued_again_has_not_ended() -> None:
    """Whatever it had come to before."""
    assert slurm_answers.ends(Answer(0, "7|REQUEUED|0:0||n1|None\n8|PENDING|0:0|||\n", "")) == {
        "7": None,
        "8": None,
    }


def test_accounting_that_is_off_is_no_answer() -> None:
    """The next is asked."""
    with pytest.raises(Unavailable):
        slurm_answers.ends(Answer(1, "", "Slurm accounting storage is disabled"))


def test_controllers_memory_is_read() -> None:
    """Of arrays, too."""
    text = (
        "JobId=12 ArrayJobId=11 ArrayTaskId=1 JobName=x JobState=FAILED Reason=NonZeroExitCode ExitCode=2:0 NodeList=n1\n"
        "JobId=13 ArrayJobId=11 ArrayTaskId=2-3 JobName=x JobState=PENDING Reason=Priority ExitCode=0:0 NodeList=\n"
        "JobId=14 JobName=y JobState=FAILED Reason=JobLaunchFailure ExitCode=1:0 NodeList=n1\n"
    )
    found = slurm_answers.ends(Answer(0, text, ""))
    assert found["11_1"] is not None
    assert found["11_1"].exit_status == 2
    assert found["11_2"] is found["11_3"] is None
    assert found["14"] is not None
    assert found["14"].cause is Cause.REFUSED


def test_limits_and_queues_are_read() -> None:
    """As scontrol and sinfo tell them."""
    assert slurm_answers.most_in_an_array(Answer(0, "MaxArraySize            = 1001\n", "")) == 1000
    (queue,) = slurm_answers.queues([Answer(0, "main*|up|1-12:00:00|2|8+|8000+\n", "")])
    assert (queue.name, queue.default, queue.time_s, queue.nodes, queue.cores) == (
        "main",
        True,
        129600.0,
        2,
        8,
    )
