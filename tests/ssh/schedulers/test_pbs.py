"""What is asked of PBS, and what its answers mean, by what a real OpenPBS has said; without a PBS."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from clustrix_ssh.schedulers.interface import Answer, Cause, Full, Need, Refused, State, Unavailable
from clustrix_ssh.schedulers.pbs import Pbs, Torque
from tests.ssh.schedulers.support import recorded, script_of
from tests.ssh.schedulers.test_slurm import HOSTILE

PBS, TORQUE = Pbs(), Torque()
SAMPLES = Path(__file__).parents[1] / "samples" / "pbs"
TORQUE_JOB = """Job Id: 4711.head
    Job_Name = fit-0123456789
    Job_Owner = ada@head
    resources_used.cput = 00:00:09
    resources_used.mem = 6568kb
    resources_used.walltime = 00:00:10
    job_state = C
    queue = batch
    exec_host = n1/0+n1/1
    Variable_List = PBS_O_HOME=/home/ada,PBS_O_LANG=C.UTF-8,
\tPBS_O_PATH=/usr/bin:/bin
    exit_status = {status}

"""


def sample(name: str) -> Answer:
    return recorded(SAMPLES / f"{name}.txt")


def script(pbs: Pbs = PBS, **settings: Any) -> str:
    return script_of(pbs, **settings)


def directives(text: str) -> list[str]:
    return [line.removeprefix("#PBS -") for line in text.splitlines() if line.startswith("#PBS ")]


def test_number_is_found() -> None:
    """Of a job, of an array, and behind what a site's wrapper says: pain 35."""
    assert PBS.read_submitted(Answer(0, "4711.pbshost\n", "")) == "4711"
    assert PBS.read_submitted(Answer(0, "4711[].pbshost\n", "")) == "4711[]"
    assert PBS.read_submitted(Answer(0, "4711\n", "")) == "4711"
    noisy = "Welcome!\n2026\n4711[].pbs-1.uni.edu\nquota: 80 %\n42\n"
    assert PBS.read_submitted(Answer(0, noisy, "")) == "4711[]"
    with pytest.raises(Unavailable):
        PBS.read_submitted(Answer(0, "Welcome!\n", ""))


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("bad_queue", "Unknown queue"),
        ("bad_resource", "Unknown resource Resource_List.nosuch"),
        ("bad_walltime", "Illegal attribute or resource value Resource_List.walltime"),
    ],
)
def test_refusal_is_in_the_schedulers_words(name: str, words: str) -> None:
    """And no more."""
    with pytest.raises(Refused) as told:
        PBS.read_submitted(sample(f"qsub_{name}"))
    assert str(told.value) == words


@pytest.mark.parametrize(
    "text",
    [
        "Connection refused\nqsub: cannot connect to server pbshost (errno=111)",
        "qsub: Communication failure.\nqsub: cannot connect to server head (errno=15137) Error in connection",
        "qsub: End of File",
        "qsub: Error communicating with head(10.0.0.1): connection timed out",
    ],
)
def test_server_that_is_away_is_no_answer(text: str) -> None:
    """Neither to a submission, nor to a question."""
    away = Answer(1, "", f"{text}\n")
    for read in (
        PBS.read_submitted,
        PBS.read_look,
        PBS.read_past,
        PBS.check_cancelled,
        lambda answer: PBS.read_found(answer, ["x"]),
    ):
        with pytest.raises(Unavailable):
            read(away)
    assert PBS.read_explained(away) == ""


def test_full_is_not_refused() -> None:
    """It waits until there is room."""
    for text in ("Maximum number of jobs already in queue for user ada", "would exceed queue generic's per-user limit of jobs in 'Q' state"):  # fmt: skip
        with pytest.raises(Full):
            PBS.read_submitted(Answer(38, "", f"qsub: {text}\n"))


def test_queue_is_read_by_handle() -> None:
    """From the short table, in words common to all schedulers."""
    rows = PBS.read_look(sample("qstat_default"))
    assert {key: seen.state for key, seen in rows.items()} == {
        "4": State.RUNNING,
        "6": State.QUEUED,
        "7": State.QUEUED,
        "8": State.QUEUED,
        "10": State.RUNNING,
    }
    assert "qrls" in rows["7"].hint
    assert rows["6"].reason == "state Q"
    assert PBS.read_look(Answer(0, "", "")) == {}


def test_elements_take_the_place_of_their_array() -> None:
    """And those that have ended are in no queue any more, though they are listed."""
    text = """
pbshost:
                                                                 Req'd  Req'd   Elap
Job ID            Username  Queue   Jobname  SessID  NDS TSK Memory Time  S Time
----------------- --------- ------- -------- ------- --- --- ------ ----- - -----
9[].pbshost       ada       workq   fit        --      1   1    --  01:00 B   --
9[0].pbshost      ada       workq   fit        4237    1   1    --  01:00 X 00:00
9[1].pbshost      ada       workq   fit        4238    1   1    --  01:00 R 00:00
9[2].a-long-serv* ada       workq   fit        --      1   1    --  01:00 Q   --
10[].pbshost      ada       workq   fit        --      1   1    --  01:00 H   --
"""
    rows = PBS.read_look(Answer(0, text, ""))
    assert {key: seen.state.value for key, seen in rows.items()} == {"9[]_1": "RUNNING", "9[]_2": "QUEUED", "10[]": "QUEUED"}  # fmt: skip


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("held", "Hold_Types u"),
        ("dependent", "Hold_Types s; depend afterok:7.pbshost@pbshost"),
        ("queued_toobig", "Can Never Run: Insufficient amount of resource: ncpus (R: 64 A: 8 T: 8)"),
    ],
)
def test_reason_is_explained(name: str, words: str) -> None:
    """In the scheduler's own words: pain 34."""
    assert PBS.read_explained(sample(f"qstat_f_json_{name}")) == words


@pytest.mark.parametrize(
    ("name", "handle", "cause", "status", "signal", "who"),
    [
        ("ok", "2", Cause.FINISHED, 0, None, ""),
        ("fail", "3", Cause.EXITED, 3, None, ""),
        ("lim", "4", Cause.TIME, None, None, ""),
        ("sig", "5", Cause.EXITED, None, 9, ""),
        ("run", "10", Cause.CANCELLED, None, 15, "user"),
    ],
)
def test_end_is_told(
    name: str, handle: str, cause: Cause, status: int | None, signal: int | None, who: str
) -> None:
    """With evidence: pain 7."""
    ((key, end),) = PBS.read_past(sample(f"qstat_xf_json_{name}")).items()
    assert key == handle
    assert end is not None
    assert (end.cause, end.exit_status, end.signal, end.who) == (cause, status, signal, who)
    assert end.evidence.startswith("qstat: Exit_status ")
    assert end.node == "pbshost"


def test_peak_is_told() -> None:
    """As it was used."""
    assert PBS.read_past(sample("qstat_xf_json_ok"))["2"].peak_bytes == 6568 << 10  # type: ignore[union-attr]


def test_ends_of_elements_are_told_apart() -> None:
    """Each by its handle; the array itself has one too."""
    ends = PBS.read_past(sample("qstat_xtf_json_array"))
    assert {"9[]", "9[]_0", "9[]_1", "9[]_2", "9[]_3"} == set(ends)
    assert {ends[f"9[]_{index}"].exit_status for index in range(4)} == {0, 5}  # type: ignore[union-attr]


def test_job_unknown_to_it_hides_no_other() -> None:
    """It tells of none behind one that it does not know, so each is asked for by itself: pain 31."""
    known = PBS.read_past(sample("qstat_many_one_unknown"))
    assert set(known) == {"2"}
    asked = [command.argv[-1] for command in PBS.past(["2", "99999", "3"])[1:]]
    assert asked == ["2", "99999", "3"]
    for name in ("qstat_unknown", "qstat_finished_without_x", "qstat_t_json_array"):
        assert PBS.read_past(sample(name)) == {}


def test_json_that_is_none_is_read_all_the_same() -> None:
    """Some versions write names of digits, and users' variables, as they are."""
    sound = sample("qstat_xf_json_run")
    broken = sound.stdout.replace('"Job_Name":\t"run"', '"Job_Name":\t0123').replace('"C.UTF-8"', '"a"b\x01"')
    with pytest.raises(json.JSONDecodeError, match="delimiter"):
        json.loads(broken)
    assert PBS.read_past(Answer(0, broken, "")) == PBS.read_past(sound)


@pytest.mark.parametrize(
    ("status", "cause", "number"),
    [
        (-27, Cause.MEMORY, None),
        (-26, Cause.MEMORY, None),
        (-28, Cause.TIME, None),
        (-25, Cause.CANCELLED, None),
        (-4, Cause.NODE, None),
        (-1, Cause.REFUSED, None),
        (143, Cause.CANCELLED, 15),
        (265, Cause.EXITED, 9),
    ],
)
def test_negative_status_is_the_batch_systems_own(status: int, cause: Cause, number: int | None) -> None:
    """By pbs_job_attributes(7B)."""
    text = sample("qstat_xf_json_fail").stdout.replace('"Exit_status":\t3', f'"Exit_status":\t{status}')
    end = PBS.read_past(Answer(0, text, ""))["3"]
    assert end is not None
    assert (end.cause, end.signal) == (cause, number)
    assert (end.exit_status is None) == (status < 0 or number is not None)


def test_job_that_is_not_over_has_no_end() -> None:
    """Whatever is asked of it."""
    assert PBS.read_past(sample("qstat_f_json_running")) == {"10": None}


@pytest.mark.parametrize(
    ("status", "cause"),
    [(0, Cause.FINISHED), (3, Cause.EXITED), (-10, Cause.MEMORY), (-11, Cause.TIME), (271, Cause.CANCELLED)],
)
def test_torque_answers_in_text(status: int, cause: Cause) -> None:
    """With folded lines, and numbers of its own."""
    ((key, end),) = TORQUE.read_past(Answer(0, TORQUE_JOB.format(status=status), "")).items()
    assert key == "4711"
    assert end is not None
    assert (end.cause, end.peak_bytes, end.node) == (cause, 6568 << 10, "n1")


def test_submission_is_found_by_its_name() -> None:
    """Of lines that name it, or of all jobs there are: pain 2."""
    assert PBS.read_found(Answer(0, "fit 7[].pbshost\nother 8.pbshost\n", ""), ["fit", "nobody"]) == {
        "fit": "7[]"
    }
    assert PBS.read_found(sample("qstat_xtf_json_array"), ["arr"]) == {"arr": "9[]"}
    assert PBS.read_found(Answer(0, "", ""), ["fit"]) == {}
    name = TORQUE.job_name("fit-something-long")
    assert len(name) <= 15
    assert TORQUE.read_found(Answer(0, f"{name} 7.head\n", ""), ["fit-something-long"]) == {
        "fit-something-long": "7"
    }


def test_version_tells_the_dialect() -> None:
    """By what it says of itself."""
    assert PBS.read_version(sample("qsub_version")) == "pbs 23.06.06"
    assert PBS.of_version("pbs 23.06.06") is PBS
    torque = PBS.read_version(Answer(0, "", "Version: 6.1.2\nCommit: 661e092\n"))
    assert torque == "torque 6.1.2"
    assert isinstance(PBS.of_version(torque), Torque)
    with pytest.raises(Unavailable, match="no PBS"):
        PBS.read_version(Answer(127, "", "No such file or directory"))
    with pytest.raises(Unavailable, match="no PBS"):
        PBS.read_version(Answer(1, "", "Unknown option --version"))  # another system's qsub


def test_deletion_of_what_is_gone_is_no_error() -> None:
    """It has ended, one way or the other."""
    for name in ("finished", "running", "unknown"):
        PBS.check_cancelled(sample(f"qdel_{name}"))
    assert PBS.cancel(["7", "9[]", "13[]_3"])[0].argv == ("qdel", "7", "9[]", "13[3]")


def test_resources_are_mapped() -> None:
    """Into one chunk."""
    found = directives(
        script(cores=4, memory_bytes=8 << 30, time_s=90.2, elements=10, default_queue="long", gpus="2",
               account="p1", constraint="skylake,model=epyc", dependency="afterok:12")
    )  # fmt: skip
    chunk = "l select=1:ncpus=4:mem=8192mb:ngpus=2:skylake=True:model=epyc"
    assert {chunk, "l walltime=0:01:31", "J 0-9", "q long", "A p1", "W depend=afterok:12"} <= set(found)
    spread = directives(script(cores=4, memory_bytes=8 << 30, nodes=2, exclusive=True))
    assert {"l select=2:ncpus=2:mem=4096mb", "l place=scatter:excl"} <= set(spread)


def test_torque_counts_nodes() -> None:
    """And memory for the job, or for each core: pain 37."""
    found = directives(script(TORQUE, cores=4, memory_bytes=8 << 30, time_s=60, elements=3, gpus="1"))
    assert {"l nodes=1:ppn=4:gpus=1", "l mem=8192mb", "l walltime=0:01:00", "t 0-2"} <= set(found)
    assert "l pmem=2048mb" in directives(
        script(TORQUE, cores=4, memory_bytes=8 << 30, memory_resource="pmem")
    )
    assert "l vmem=8192mb" in directives(
        script(TORQUE, cores=4, memory_bytes=8 << 30, memory_resource="vmem")
    )


def test_sites_dialects() -> None:
    """Memory under another name, or by the slot: pain 37."""
    assert "l select=1:ncpus=4:vmem=8192mb" in directives(
        script(cores=4, memory_bytes=8 << 30, memory_resource="vmem")
    )
    assert "l select=1:ncpus=4:mem=2048mb" in directives(
        script(cores=4, memory_bytes=8 << 30, memory_per="slot")
    )


def test_no_memory_asks_for_none() -> None:
    """And the user's own takes the place of ours: pain 36."""
    assert "mem=" not in script()
    own = directives(
        script(memory_bytes=1 << 30, time_s=60, scheduler_options={"l": "select=1:ncpus=8:mem=3gb"})
    )
    asked = {line for line in own if line.startswith("l ")}
    assert asked == {"l select=1:ncpus=8:mem=3gb", "l walltime=0:01:00"}
    old = directives(
        script(
            cores=4, memory_bytes=1 << 30, scheduler_options={"l": "nodes=1:ppn=4,walltime=5:00", "q": "a"}
        )
    )
    assert {"l nodes=1:ppn=4", "l mem=1024mb", "l walltime=5:00", "q a"} <= set(old)
    assert not [line for line in old if "select" in line or "ncpus" in line]


@pytest.mark.parametrize(("field", "value"), [("qos", "high"), ("gpus", "a100:2")])
def test_what_pbs_does_not_have_is_refused(field: str, value: str) -> None:
    """Not passed over in silence."""
    with pytest.raises(Refused, match=field):
        script(**{field: value})


@pytest.mark.parametrize("pbs", [PBS, TORQUE], ids=["pbs", "torque"])
@pytest.mark.parametrize("field", ["default_queue", "account", "constraint", "mail", "mail_events", "dependency", "gpus",
                                   "memory_resource"])  # fmt: skip
def test_hostile_value_is_passed_on_exactly_or_refused(field: str, pbs: Pbs) -> None:
    """None of them begins a line of its own."""
    lines_of = len(script(pbs, memory_bytes=1 << 30, **{field: "7"}).splitlines())
    refusals = []
    for value in HOSTILE:
        try:
            text = script(pbs, memory_bytes=1 << 30, **{field: value})
        except Refused as error:
            refusals.append(str(error))
            continue
        lines = text.splitlines()
        assert len(lines) == lines_of
        assert lines[-1] == "exec true"
        assert all(line.startswith("#PBS -") for line in lines[1:-1])
        assert all(part in text for part in value.split(","))
    assert all(field in said for said in refusals)
    assert refusals


def test_hostile_options_are_refused() -> None:
    """A space would end the list of resources, and begin another option."""
    with pytest.raises(Refused, match="space"):
        script(scheduler_options={"l": "walltime=1:00 -v X=1"})
    with pytest.raises(Refused, match="pre_execution_commands"):
        PBS.script(Need("x", 1, None, None), ["true\n#PBS -l walltime=1"])


def test_limits_and_queues() -> None:
    """As the server and its nodes say."""
    server = Answer(0, "Server: head\n    server_state = Active\n    default_queue = workq\n    max_array_size = 5000\n"
                    "    max_queued = [u:PBS_GENERIC=200]\n\n", "")  # fmt: skip
    assert PBS.read_limits(server) == 5000
    assert PBS.read_limits(Answer(1, "", "Connection refused")) is None
    queues = Answer(0, "Queue: workq\n    queue_type = Execution\n    resources_max.walltime = 24:00:00\n    enabled = True\n"
                    "    started = True\n\nQueue: route\n    queue_type = Route\n    enabled = True\n\nQueue: old\n"
                    "    queue_type = Execution\n    enabled = False\n\n", "")  # fmt: skip
    nodes = Answer(0, "n1\n     Mom = n1\n     resources_available.mem = 8388608kb\n     resources_available.ncpus = 16\n\n"
                   "n2\n     resources_available.ncpus = 64\n\n", "")  # fmt: skip
    (queue,) = PBS.read_queues([queues, server, nodes])
    assert queue == ("workq", True, 86400.0, None, 64, 8 << 30, "")
