"""What is asked of SGE, and what its answers mean, by what a real one has said; without an SGE."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from clustrix_ssh.schedulers import sge_answers
from clustrix_ssh.schedulers.interface import Answer, Cause, Full, Need, Refused, State, Unavailable
from clustrix_ssh.schedulers.sge import Sge
from tests.ssh.schedulers.support import recorded, script_of
from tests.ssh.schedulers.test_slurm import HOSTILE

SGE = Sge()
SAMPLES = Path(__file__).parents[1] / "samples" / "sge"


def sample(name: str) -> Answer:
    return recorded(SAMPLES / f"{name}.txt")


script = partial(script_of, SGE)


def directives(text: str) -> list[str]:
    return [line.removeprefix("#$ -") for line in text.splitlines() if line.startswith("#$ ")]


def test_number_is_found() -> None:
    """Of a job, of an array, in a sentence, and behind what a site's wrapper says."""
    assert SGE.read_submitted(sample("qsub_terse")) == "20"
    assert SGE.read_submitted(sample("qsub_terse_array")) == "21"
    assert SGE.read_submitted(Answer(0, 'Your job 22 ("fit") has been submitted\n', "")) == "22"
    spoken = 'Your job-array 23.1-3:1 ("fit") has been submitted\n'
    assert SGE.read_submitted(Answer(0, spoken, "")) == "23"
    assert SGE.read_submitted(Answer(0, "Welcome to 2026!\nquota: 80 %\n24\nbye\n", "")) == "24"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("bad_h_rt", 'attribute "h_rt" is not a time value'),
        ("bad_pe", 'the requested parallel environment "nosuch" does not exist'),
        ("bad_queue", 'unknown queue "nosuch"'),
        ("bad_resource", 'unknown resource "nosuch"'),
    ],
)
def test_refusal_is_in_the_schedulers_words(name: str, words: str) -> None:
    """Without its frame."""
    with pytest.raises(Refused) as told:
        SGE.read_submitted(sample(f"qsub_{name}"))
    assert words in str(told.value)
    assert "Unable to run job" not in str(told.value)
    assert "Exiting" not in str(told.value)


def test_master_that_is_away_is_no_answer() -> None:
    """Neither to a submission, nor to a question."""
    away = sample("qstat_master_unreachable")
    for read in (
        SGE.read_submitted,
        SGE.read_look,
        SGE.read_past,
        SGE.check_cancelled,
        lambda answer: SGE.read_found(answer, ["x"]),
    ):
        with pytest.raises(Unavailable):
            read(away)
    with pytest.raises(Unavailable, match="it said nothing"):
        SGE.read_look(Answer(0, "", ""))
    with pytest.raises(Unavailable, match="no XML"):
        SGE.read_look(Answer(0, "<?xml version='1.0'?>\n<job_info><queue_", ""))


def test_full_is_not_refused() -> None:
    """It waits until there is room."""
    text = "Unable to run job: job rejected: Only 100 jobs are allowed per user (current job count: 100)"
    with pytest.raises(Full):
        SGE.read_submitted(Answer(1, "", f"{text}\nExiting.\n"))


def test_queue_is_read_by_handle() -> None:
    """Elements of an array each by itself; states in common words."""
    rows = SGE.read_look(sample("qstat_xml"))
    assert {handle for handle, seen in rows.items() if seen.state is State.RUNNING} == {
        "7",
        "13_1",
        "13_3",
        "13_4",
    }
    assert rows["9"].reason == "state Eqw"
    assert "its start has failed" in rows["9"].hint
    assert "held" in rows["10"].hint
    assert set(SGE.read_look(sample("qstat_xml_after"))) == {"15", "9", "12", "10", "11"}
    assert SGE.read_look(sample("qstat_r_xml_user")) == {}


def test_ranges_of_waiting_elements_are_taken_apart() -> None:
    """As SGE writes them."""
    text = (
        "<?xml version='1.0'?><job_info><queue_info/><job_info><job_list state='pending'><JB_job_number>5</JB_job_number>"
        "<state>qw</state><slots>1</slots><tasks>3-7:2,9,11-12:1</tasks></job_list></job_info></job_info>"
    )
    assert set(SGE.read_look(Answer(0, text, ""))) == {"5_3", "5_5", "5_7", "5_9", "5_11", "5_12"}


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("held", "Job is in hold state"),
        ("error_state", "can't chdir to /nonexistent/dir: No such file or directory; Job is in error state"),
        ("toobig", 'cannot run in PE "smp" because it only offers 0 slots'),
        ("running", "dropped because it is full; All queues dropped because of overload or full"),
        ("finished", ""),
    ],
)
def test_reason_is_explained(name: str, words: str) -> None:
    """In the scheduler's own words: pain 34."""
    found = SGE.read_explained(sample(f"qstat_j_{name}"))
    assert words in found
    assert bool(words) == bool(found)


@pytest.mark.parametrize(
    ("name", "handle", "cause", "status", "signal"),
    [
        ("ok", "5", Cause.FINISHED, 0, None),
        ("fail", "6", Cause.EXITED, 3, None),
        ("lim", "7", Cause.TIME, None, 9),
        ("sig", "8", Cause.EXITED, None, 9),
        ("e100", "9", Cause.REFUSED, 100, None),
        ("baddir", "12", Cause.REFUSED, 0, None),
        ("run", "14", Cause.EXITED, None, 9),
    ],
)
def test_end_is_told(name: str, handle: str, cause: Cause, status: int | None, signal: int | None) -> None:
    """With evidence."""
    (end,) = SGE.read_past(sample(f"qacct_j_{name}")).items()
    assert end[0] == handle
    assert end[1] is not None
    assert (end[1].cause, end[1].exit_status, end[1].signal) == (cause, status, signal)
    assert end[1].evidence.startswith("qacct: failed ")


def test_ends_of_elements_are_told_apart() -> None:
    """One has failed."""
    ends = SGE.read_past(sample("qacct_j_array"))
    assert {handle: end.exit_status for handle, end in ends.items() if end is not None} == {
        "13_1": 0,
        "13_2": 5,
        "13_3": 0,
        "13_4": 0,
    }
    assert SGE.read_past(sample("qacct_unknown")) == {}


def test_memory_and_time_are_told_apart_where_sge_has_one_word() -> None:
    """By what was asked for and used."""
    text = sample("qacct_j_lim").stdout
    asked = text.replace("category     -l h_rt=3", "category     -l h_vmem=100M,h_rt=100")
    used = asked.replace("maxvmem      3.410MB", "maxvmem      99.800MB")
    assert SGE.read_past(Answer(0, used, ""))["7"].cause is Cause.MEMORY  # type: ignore[union-attr]
    assert SGE.read_past(sample("qacct_j_lim"))["7"].cause is Cause.TIME  # type: ignore[union-attr]


def test_submission_is_found_by_its_name() -> None:
    """In the queue, else in the accounts."""
    queue, accounts = sample("qstat_xml").stdout, sample("qacct_j_ok").stdout
    found = SGE.read_found(Answer(0, queue + accounts, ""), ["limit", "ok", "nobody"])
    assert found == {"limit": "7", "ok": "5"}


def test_version() -> None:
    """By its help."""
    assert SGE.read_version(sample("version")) == "sge 8.1.9"
    with pytest.raises(Unavailable, match="no SGE"):
        SGE.read_version(Answer(127, "", "No such file or directory"))


def test_deletion_of_what_is_gone_is_no_error() -> None:
    """It has ended, one way or the other."""
    SGE.check_cancelled(sample("qdel_unknown"))
    SGE.check_cancelled(sample("qdel_running"))
    assert SGE.cancel(["7", "13_3"])[0].argv == ("qdel", "7", "13.3")


def test_resources_are_mapped() -> None:
    """Memory is divided by the slots, since SGE counts it for each: pain 37."""
    found = directives(
        script(cores=4, memory_bytes=8 << 30, time_s=90.2, elements=10, default_queue="long.q", gpus="2")
    )  # fmt: skip
    assert {"pe smp 4", "l h_vmem=2048M", "l h_rt=91", "t 1-10", "q long.q", "l gpu=2"} <= set(found)
    assert "notify" in found


def test_sites_dialects() -> None:
    """Another resource, for the whole job, another parallel environment: pain 37."""
    settings = {"memory_resource": "mem_free", "memory_per": "job", "parallel_environment": "threaded"}
    found = directives(script(cores=4, memory_bytes=8 << 30, **settings))
    assert {"l mem_free=8192M", "pe threaded 4"} <= set(found)


def test_no_memory_asks_for_none() -> None:
    """And the user's own takes the place of ours: pain 36."""
    assert not [line for line in directives(script()) if "vmem" in line]
    own = directives(
        script(memory_bytes=1 << 30, time_s=60, scheduler_options={"l": "h_vmem=3G,arch=lx", "q": "a.q"})
    )
    assert "l h_vmem=3G" in own
    assert "l arch=lx" in own
    assert "l h_rt=60" in own
    assert "l h_vmem=512M" not in own


@pytest.mark.parametrize("field", ["qos", "nodes"])
def test_what_sge_does_not_have_is_refused(field: str) -> None:
    """Not passed over in silence."""
    with pytest.raises(Refused, match=field):
        script(**{field: "3"})


@pytest.mark.parametrize("field", ["default_queue", "account", "constraint", "mail", "dependency", "gpus",
                                   "parallel_environment", "memory_resource"])  # fmt: skip
def test_hostile_value_is_passed_on_exactly_or_refused(field: str) -> None:
    """None of them begins a line of its own."""
    plain = len(script(memory_bytes=1 << 30, **{field: "plain"}).splitlines())
    passed, refusals = 0, []
    for value in HOSTILE:
        try:
            text = script(memory_bytes=1 << 30, **{field: value})
        except Refused as error:
            refusals.append(str(error))
            continue
        passed += 1
        lines = text.splitlines()
        assert len(lines) <= plain + value.count(",")
        assert lines[-1] == "exec true"
        assert all(line.startswith("#$ -") for line in lines[1:-1])
        assert all(part in text for part in value.split(","))
    assert passed >= 2
    assert all(field in said for said in refusals)


def test_lines_that_sge_would_read_as_its_own_are_refused() -> None:
    """A command of the user's that begins so."""
    with pytest.raises(Refused, match="pre_execution_commands"):
        SGE.script(Need("x", 1, None, None), ["true\n#$ -l h_rt=1"])


def test_limits_and_queues() -> None:
    """0 is no limit."""
    conf = Answer(0, "max_aj_instances             2000\nmax_aj_tasks                 75000\nmax_u_jobs                   0\n", "")  # fmt: skip
    assert SGE.read_limits(conf) == 75000
    group = (
        "CLUSTER QUEUE                   CQLOAD   USED    RES  AVAIL  TOTAL aoACDS  cdsuE  \n"
        + "-" * 80
        + "\n"
        "all.q                             0.01      0      0      8      8      0      0 \n"
    )
    hosts = (
        "HOSTNAME                ARCH         NCPU NSOC NCOR NTHR  LOAD  MEMTOT  MEMUSE  SWAPTO  SWAPUS\n"
        "----------\nglobal                  -               -    -    -    -     -       -       -       -       -\n"
        "sgehost                 lx-amd64        2    1    2    2  0.05    7.7G    1.1G     0.0     0.0\n"
    )
    (queue,) = SGE.read_queues([Answer(0, group, ""), Answer(0, hosts, "")])
    assert (queue.name, queue.cores, queue.state) == ("all.q", 2, "8 slots")
    assert queue.memory_bytes == int(7.7 * (1 << 30))


def test_every_letter_of_a_state_is_understood() -> None:
    """All that sge_status(5) combines."""
    waits = ["qw", "hqw", "Eqw", "hRwq"]
    runs = ["r", "t", "Rr", "Rt", "s", "ts", "S", "tS", "T", "dr", "dt", "dRr", "ds", "dS"]
    assert {sge_answers._state(letters)[0] for letters in waits} == {State.QUEUED}
    assert {sge_answers._state(letters)[0] for letters in runs} == {State.RUNNING}
