"""Writes explanation/faults.md from the tests that it names: ``hatch run docs:faults``.  A test fails when it is stale."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs/explanation/faults.md"
ROWS = {
    "The way there": (
        ("the connection is cut before anything is sent", "test_faults.py::test_connection_is_cut_before_anything_is_sent"),
        ("... half-way through an argument", "test_faults.py::test_connection_is_cut_half_way_through_an_argument"),
        ("... between `qsub` and its answer", "test_pbs_sites.py::test_connection_is_cut_between_qsub_and_its_answer"),
        ("... while a job runs", "test_machine.py::test_connection_that_is_cut_is_no_failure"),
        ("... half-way through a result", "test_faults.py::test_connection_is_cut_half_way_through_a_result"),
        ("packets are dropped in silence before anything is sent", "test_faults.py::test_packets_are_dropped_before_anything_is_sent"),
        ("... half-way through an argument", "test_faults.py::test_packets_are_dropped_half_way_through_an_argument"),
        ("... while a job runs", "test_faults.py::test_packets_are_dropped_while_a_job_runs"),
        ("... half-way through a result", "test_faults.py::test_packets_are_dropped_half_way_through_a_result"),
        ("the network forgets a connection", "test_faults.py::test_network_forgets_a_connection_and_tells_nobody"),
        ("the host is down at submission", "test_machine.py::test_host_that_is_down_costs_a_submission_nothing"),
        ("sshd is started anew", "test_faults.py::test_server_is_started_anew"),
        ("a connection is lost that needs a second factor", "test_second_factor.py::test_connection_that_is_lost_is_not_opened_unattended"),
    ),
    "Processes of clustrix": (
        ("the agent is killed again and again", "test_faults.py::test_agent_is_killed_again_and_again"),
        ("... at each request", "test_steps.py::test_agent_is_killed_at_each_request"),
        ("... before and after `sbatch`", "test_steps.py::test_agent_is_killed_as_it_submits_to_slurm"),
        ("the agent is killed on a connection that a person has opened", "test_second_factor.py::test_agent_that_is_killed_costs_no_code"),
        ("the dispatcher is killed again and again", "test_faults.py::test_dispatcher_is_killed_again_and_again"),
        ("... at each of its steps", "test_steps.py::test_dispatcher_is_killed_at_each_of_its_steps"),
        ("... before and after `sbatch`", "test_steps.py::test_dispatcher_is_killed_as_it_submits_to_slurm"),
        ("... between `qsub` and its answer", "test_pbs_sites.py::test_dispatcher_is_killed_between_qsub_and_its_answer"),
        ("... with the submitter, while a job runs", "test_slurm_ends.py::test_result_survives_the_submitter_and_the_dispatcher"),
        ("what runs a job is killed at each of its steps", "test_steps.py::test_job_is_killed_at_each_of_its_steps"),
        ("a process of a job is killed from inside (SGE, PBS)", "test_ends.py::test_kill_from_inside_is_told"),
    ),
    "The host": (
        ("its disk is full", "test_faults.py::test_disk_there_is_full"),
        ("the quota there is used up", "test_faults.py::test_quota_there_is_used_up"),
        ("the folder cannot be written to", "test_agent.py::test_folder_that_cannot_be_written_to_is_no_hindrance"),
        ("nothing can be executed below `/tmp`", "test_faults.py::test_nothing_can_be_executed_below_tmp"),
        ("its clock is ten minutes ahead", "test_faults.py::test_clock_there_is_ten_minutes_ahead"),
        ("results are seen late, as on network file systems", "test_pbs_sites.py::test_result_that_is_seen_late_is_a_result"),
    ),
    "The batch system": (
        ("Slurm's controller is down while a job is submitted", "test_slurm_ends.py::test_controller_is_down_while_a_job_is_submitted"),
        ("... while a job runs", "test_slurm_ends.py::test_controller_is_down_while_a_job_runs"),
        ("SGE's master, or PBS's server, is away", "test_ends.py::test_server_that_is_away_for_a_while_harms_nothing"),
        ("`sbatch` times out, and the job exists", "test_slurm_sites.py::test_sbatch_that_fails_after_it_has_submitted_runs_the_job_once"),
        ("`squeue` answers with nothing", "test_slurm_sites.py::test_empty_answers_change_nothing"),
        ("accounting is off", "test_slurm_sites.py::test_accounting_that_is_off_hides_no_end"),
        ("history is off: the job is unknown to the batch system", "test_pbs_sites.py::test_history_that_is_off_hides_no_end"),
        ("a node is killed with its job", "test_slurm_ends.py::test_job_of_a_failed_node_runs_again"),
        ("an element of a map is killed", "test_slurm_ends.py::test_item_of_a_killed_element_runs_elsewhere"),
        ("an administrator cancels a job", "test_slurm_ends.py::test_cancelled_by_an_administrator"),
        ("its user cancels it with `scancel`", "test_slurm_ends.py::test_cancelled_by_its_user_with_the_schedulers_command"),
        ("somebody sends it a signal", "test_slurm_ends.py::test_signal_from_outside_is_told_as_one"),
        ("an administrator queues it again", "test_slurm_ends.py::test_queued_again_by_an_administrator_runs_again"),
        ("it is queued again twice, and nobody counts (PBS)", "test_pbs_ends.py::test_job_that_is_queued_again_runs_again"),
        ("the site allows no more jobs", "test_slurm_sites.py::test_jobs_beyond_a_submit_limit_come_later"),
        ("the time of a job is up while nobody is there", "test_time_limits.py::test_job_goes_on_where_it_has_saved_on_slurm_though_nobody_is_there"),
    ),
}  # fmt: skip
"""What breaks, and the test below ``tests/ssh`` that breaks it."""

_HEAD = """\
<!-- Written by docs/faults.py: change that, then `hatch run docs:faults`. -->

# What breaks, and what holds

On clusters and on the way to them, {count} ways of breaking, each with the test that does it on real services (for PBS, a stand-in). All of them end with right results, each
job run once, unless the row says otherwise. What breaks on your own machine is on the page of [promises](promises.md).
"""


def page() -> str:
    """The text of the page.  Raises KeyError for a test that is not there."""
    parts = [_HEAD.format(count=sum(len(rows) for rows in ROWS.values()))]
    for group, rows in ROWS.items():
        lines = [f"\n## {group}\n", "| what breaks | what holds | test |", "|---|---|---|"]
        for what, test in rows:
            file, _, name = test.partition("::")
            lines.append(f"| {what} | {_says(ROOT / 'tests/ssh' / file, name)} | `{test}` |")
        parts.append("\n".join(lines) + "\n")
    return "\n".join(parts)


def _says(path: Path, name: str) -> str:
    """The first paragraph of a test's docstring."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    found = {node.name: node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
    text = ast.get_docstring(found[name]) or ""
    first = " ".join(text.partition("\n\n")[0].split())
    return re.sub(r":? pains? [\d, and]+\.$", ".", first)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
