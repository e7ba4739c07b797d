"""Writes explanation/complaints.md from the tests that it names: ``hatch run docs:complaints``.  A test fails when it is stale."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs/explanation/complaints.md"
ROWS = (
    (1, "closing the session cancels the jobs or loses the results", "test_machine.py::test_job_outlives_its_session"),
    (2, "`sbatch` reports a time-out although the job was queued; a retry runs it twice", "test_slurm_sites.py::test_sbatch_that_fails_after_it_has_submitted_runs_the_job_once"),
    (3, "one cannot submit from a laptop over SSH", "test_laptop.py::test_laptop_session"),
    (7, "a killed worker gives a vague error: memory, time or node?", "test_slurm_ends.py::test_memory_over_the_limit_says_so"),
    (9, "the result arrives late on shared storage; a good job is called failed", "test_pbs_sites.py::test_result_that_is_seen_late_is_a_result"),
    (11, "large results are refused or choke the service", "test_pains.py::test_pain_11_large_results"),
    (12, "output of workers stays invisible until the end", "test_machine.py::test_output_is_seen_while_the_job_runs"),
    (17, "another Python minor on the far side: odd crashes", "test_slurm_ends.py::test_python_of_another_version_is_refused_before_submission"),
    (22, "a named conda environment is silently ignored", "test_pains.py::test_pain_22_conda_environment"),
    (23, "`module` or `python` does not exist in the job's shell", "test_pains.py::test_pain_23_modules"),
    (25, "a second factor at every connection makes polling impossible", "test_second_factor.py::test_code_is_asked_for_once_and_never_unattended"),
    (26, "compute nodes or firewalls block the callback port", "test_pains.py::test_pain_26_no_port"),
    (28, "keys that OpenSSH accepts fail", "test_transport.py::test_server_of_each_kind_lets_in"),
    (29, "`~/.ssh/config` with `Match exec` breaks", "test_transport.py::test_settings_of_the_users_configuration_hold"),
    (30, "login nodes kill long Python processes", "test_faults.py::test_agent_is_killed_again_and_again"),
    (31, "status by `sacct` fails or goes empty; jobs hang or are sent again", "test_slurm_sites.py::test_accounting_that_is_off_hides_no_end"),
    (32, "polling and one `sbatch` per job overload the controller", "test_slurm_sites.py::test_few_calls_to_the_scheduler"),
    (33, "jobs that left the queue look lost or new for ever", "test_pbs_sites.py::test_history_that_is_off_hides_no_end"),
    (34, "jobs wait, or never start, with no reason shown", "test_slurm_ends.py::test_waiting_job_says_why"),
    (35, "site wrappers and greetings spoil the job number", "test_slurm_sites.py::test_sbatch_that_talks_is_understood"),
    (36, "a forced `--mem` is rejected by the site", "schedulers/test_slurm.py::test_nothing_is_asked_for_that_was_not_wished"),
    (37, "SGE and Torque name memory and nodes differently", "schedulers/test_pbs.py::test_torque_counts_nodes"),
    (38, "`SLURM_*` inherited from an outer job break submission", "test_slurm_sites.py::test_variables_of_an_outer_job_are_in_nobodys_way"),
    (39, "arrays or jobs above the site's limit are refused", "test_slurm_sites.py::test_jobs_beyond_a_submit_limit_come_later"),
    (40, "one failure shows only after hours, or costs all results", "test_pains.py::test_pain_40_one_failure_in_many"),
    (41, "work placed near the time limit is killed, and begins anew", "test_time_limits.py::test_job_goes_on_where_it_has_saved_on_slurm_though_nobody_is_there"),
    (42, "signals before the limit differ by site; jobs ignore SIGTERM", "test_time_limits.py::test_signal_of_the_site_lets_finally_blocks_run"),
    (43, "out of memory is retried with the same memory", "test_pains.py::test_pain_43_memory_is_retried_with_more"),
)  # fmt: skip
"""The number by which tests call it, the complaint, and the test below ``tests/ssh``."""
NOTEBOOK_ROWS = (
    (14, "functions typed at a prompt cannot be sent", "notebook/test_cells.py::test_what_functions_use_is_sent_with_them"),
    (34, "jobs wait with no reason shown", "browser/test_jobs.py::test_waiting_job_shows_its_reason"),
    (55, "a reopened notebook shows \"model not found\"", "browser/test_jobs.py::test_saved_notebook_shows_jobs_without_a_kernel"),
    (56, "widgets freeze while a cell runs", "browser/test_form_fields.py::test_form_goes_on_while_a_cell_runs"),
    (57, "fields of form and settings disagree", "notebook/widget/test_describing.py::test_every_example_passes_configure"),
)  # fmt: skip
"""The same of notebooks, below ``tests``."""

_HEAD = """\
<!-- Written by docs/complaints.py: change that, then `hatch run docs:complaints`. -->

# What users of such systems complain about

Of hosts and batch systems; each complaint has a test on real services (for PBS, a stand-in). That files go slower than with `scp` is measured, not tested: `hatch run bench`.

| complaint | here | test |
|---|---|---|
"""

_NOTEBOOKS = """
## In notebooks

| complaint | here | test |
|---|---|---|
"""


def page() -> str:
    """The text of the page.  Raises KeyError for a test that is not there."""
    lines = []
    for _, complaint, test in ROWS:
        file, _, name = test.partition("::")
        lines.append(f"| {complaint} | {_says(ROOT / 'tests/ssh' / file, name)} | `{test}` |\n")
    more = []
    for _, complaint, test in NOTEBOOK_ROWS:
        file, _, name = test.partition("::")
        more.append(f"| {complaint} | {_says(ROOT / 'tests' / file, name)} | `{test}` |\n")
    return _HEAD + "".join(lines) + _NOTEBOOKS + "".join(more)


def _says(path: Path, name: str) -> str:
    """What a test's docstring says, without the complaint itself."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    found = {node.name: node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
    text = " ".join((ast.get_docstring(found[name]) or "").partition("\n\n")[0].split())
    if name.startswith("test_pain_"):
        text = text.partition(": ")[2] or text
    text = re.sub(r":? pains? [\d, and]+\.$", ".", text)
    return text[:1].upper() + text[1:]


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
