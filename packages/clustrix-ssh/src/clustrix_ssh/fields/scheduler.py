"""What a batch system is asked for, beside cores, memory and time."""

from __future__ import annotations

from functools import partial
from typing import Any

from clustrix.config import kinds
from clustrix.config.field import Field
from clustrix.errors import ConfigError
from clustrix_ssh.fields.place import BATCH


def _options(field: str, value: Any) -> dict[str, Any]:
    allowed = "must map names of options to texts, numbers, or True for an option without a value"
    if not isinstance(value, dict) or len(value) > 100:
        raise ConfigError(field, value, allowed)
    for name, entry in value.items():
        if not isinstance(name, str) or not isinstance(entry, (str, int, float, bool)):
            raise ConfigError(f"{field}[{name!r}]", entry, allowed)
    return dict(value)


OPTIONS = kinds.Kind("options", _options, kinds.VARIABLES.read)
"""Options of a scheduler's own; what they may hold is checked when a script is made of them."""

_scheduled = partial(Field, group="scheduler", shown={"cluster_type": BATCH})

SCHEDULER_FIELDS = (
    _scheduled(
        "default_partition",
        kinds.text(200),
        None,
        "The partition that a job waits in, as Slurm calls it; other batch systems say queue. None: the site's own choice.",
        "long",
        providers={
            "slurm": "`--partition`. `sinfo -s` lists them; the site's own choice has a star. Each has limits of time, cores and users.",
            "pbs": "`-q`, as default_queue, which is PBS's word for it. If both are set, this one holds.",
            "sge": "`-q`, as default_queue, which is SGE's word for it. If both are set, this one holds.",
        },
        option="partition",
    ),
    _scheduled(
        "default_queue",
        kinds.text(200),
        None,
        "The queue that a job waits in, as PBS and SGE call it. None: the site's own choice.",
        "long",
        providers={
            "slurm": "`--partition`, as default_partition, which is Slurm's word for it. If both are set, that one holds.",
            "pbs": "`-q`. `qstat -Q` lists them, `qstat -Q -f NAME` shows the limits of one. Some only pass jobs on to others (routing).",
            "sge": "`-q`. `qconf -sql` lists them. Many sites want none named: SGE takes one that fits what the job asks for.",
        },
        option="queue",
    ),
    _scheduled(
        "account",
        kinds.text(200),
        None,
        "The account that pays for a job. None: the site's own choice.",
        "physics-42",
        providers={
            "slurm": "`--account`. `sacctmgr show assoc user=$USER format=account,partition,qos` lists yours.",
            "pbs": "`-A`: the project or allocation that your site charges. Which are yours only the site can tell.",
            "sge": '`-A`: a word for the accounting file. What is charged is mostly a project: `scheduler_options={"P": "physics"}`.',
        },
        option="account",
    ),
    _scheduled(
        "qos",
        kinds.text(200),
        None,
        "The quality of service of a job: a name for priorities and limits that the site has set. None: the site's own choice.",
        "high",
        providers={
            "slurm": "`--qos`. `sacctmgr show assoc user=$USER format=account,qos` lists yours, `sacctmgr show qos` what they mean.",
            "pbs": "OpenPBS and PBS Professional have none, and the job is refused: a queue may be what the site has instead. Torque: `-l qos=`.",
            "sge": "SGE has none, and the job is refused. Leave it unset.",
        },
        option="qos",
    ),
    _scheduled(
        "gpus",
        kinds.text(100),
        None,
        'GPUs for a job: a number, or a type and a number ("a100:2"). None: none.',
        "2",
        providers={
            "slurm": '`--gres=gpu:2`, or `gpu:a100:2` with a type. `sinfo -o "%P %G"` shows which there are; often they have a partition of their '
            "own.",
            "pbs": "`ngpus=2` in the chunk of `-l select`; on Torque `gpus=2`. A number only: the type is named with constraint, as your site does it.",
            "sge": "`-l gpu=2`, where the site has a resource of that name: `qconf -sc` lists them. If that counts by slot, each core gets so "
            "many. Another name goes into scheduler_options.",
        },
        option="gpus",
    ),
    _scheduled(
        "nodes",
        kinds.count(1, 100_000, "number"),
        None,
        "How many nodes a job gets. The function runs on the first, and starts what it likes on the others. None: one.",
        2,
        providers={
            "slurm": "`--nodes`; default_cores and default_memory are for each of them. `srun` or `mpirun` starts work on them.",
            "pbs": "So many chunks, and `-l place=scatter`; on Torque `nodes=2`. default_cores and default_memory are divided among them.",
            "sge": "SGE has no such thing, and the job is refused. Leave it unset.",
        },
        option="nodes",
    ),
    _scheduled(
        "exclusive",
        kinds.FLAG,
        False,
        "Share the job's nodes with nobody.",
        True,
        providers={
            "slurm": "`--exclusive`. Whole nodes are mostly charged as such, and waited for longer.",
            "pbs": "`-l place=excl`; on Torque `-l naccesspolicy=singlejob`. Whole nodes are mostly charged as such, and waited for longer.",
            "sge": "`-l exclusive=TRUE`, where the site has a resource of that name: `qconf -sc` lists them.",
        },
        option="exclusive",
    ),
    _scheduled(
        "constraint",
        kinds.text(),
        None,
        "Features that the job's nodes must have, in the site's own words. None: any node will do.",
        "skylake",
        providers={
            "slurm": '`--constraint`. `sinfo -o "%N %f"` shows which nodes have what; `a&b` is both, `a|b` is either.',
            "pbs": "`skylake=True` in the chunk of `-l select`, `model=epyc` as it stands; several with commas. `pbsnodes -a` shows which nodes "
            "have what.",
            "sge": "`-l skylake=TRUE`, `name=value` as it stands; several with commas. `qconf -sc` lists resources, `qhost -F` what hosts have.",
        },
        option="constraint",
    ),
    _scheduled(
        "mail",
        kinds.text(200),
        None,
        "The address to which the scheduler writes. None: it is not told any.",
        "ada@uni.edu",
        security="Mail is not encrypted: it tells the job's name, and how it ended.",
        providers={
            "slurm": "`--mail-user`. Nothing is sent unless mail_events says when.",
            "pbs": "`-M`. Without mail_events it is written to when a job is aborted.",
            "sge": "`-M`. Nothing is sent unless mail_events says when.",
        },
        option="mail",
    ),
    _scheduled(
        "mail_events",
        kinds.text(200),
        None,
        "When the scheduler writes, in its own words. None: as it does by itself.",
        "END,FAIL",
        providers={
            "slurm": "`--mail-type`: BEGIN, END, FAIL, ALL and others, with commas. For an array one mail is sent, unless ARRAY_TASKS is among them.",
            "pbs": "`-m`, in letters: a (aborted), b (begun), e (ended), or n for never. ae is both.",
            "sge": "`-m`, in letters: b (begun), e (ended), a (aborted), s (suspended), or n for never. Of a map each element may write.",
        },
        option="mail_events",
    ),
    _scheduled(
        "dependency",
        kinds.text(),
        None,
        "Jobs of the scheduler that a job waits for, in the scheduler's own words. None: it waits for none.",
        "afterok:4711",
        providers={
            "slurm": "`--dependency`: afterok:4711 (it went well), afterany:4711 (it has ended). What can never come true may wait for ever.",
            "pbs": "`-W depend=`: afterok:4711.server, with the number as `qstat` shows it; afterany as well.",
            "sge": "`-hold_jid`: numbers or names, with commas, as 4711. It waits for their end, good or bad; words such as afterok it does not know.",
        },
        option="dependency",
    ),
    _scheduled(
        "parallel_environment",
        kinds.text(100),
        "smp",
        "SGE's parallel environment for more than one core: one that has all slots on one host (qconf -spl lists them).",
        "threaded",
        shown={"cluster_type": ("sge",)},
        providers={
            "sge": "`-pe smp 4`, for more than one core only. `qconf -sp NAME` shows one: its `allocation_rule` has to be `$pe_slots`, else the slots "
            "may be on several hosts.",
        },
        option="parallel_environment",
    ),
    _scheduled(
        "memory_resource",
        kinds.text(100),
        None,
        "The resource by which memory is asked for, since sites differ: of SGE h_vmem, mem_free, virtual_free, s_vmem; of PBS mem, vmem, "
        "pmem, pvmem. None: h_vmem, and mem.",
        "mem_free",
        shown={"cluster_type": ("sge", "pbs")},
        providers={
            "sge": "None: h_vmem, a hard limit of address space. mem_free mostly only chooses a host that has so much. `qconf -sc` lists resources.",
            "pbs": "None: mem. vmem counts address space, too; pmem and pvmem are for each core. The site's own pages say which it wants.",
        },
        option="memory_resource",
    ),
    _scheduled(
        "memory_per",
        kinds.choice("slot", "job", none=True),
        None,
        'Whether that resource is counted for each "slot" (memory is divided by the cores then) or for the whole "job". None: as is '
        "usual for it: by slot on SGE and for PBS's pmem and pvmem, else for the job.",
        "job",
        choices=("slot", "job"),
        shown={"cluster_type": ("sge", "pbs")},
        providers={
            "sge": "None: slot. `qconf -sc` tells: YES in the column consumable is by slot, JOB is for the job.",
            "pbs": "None: slot for pmem and pvmem, job for others. It hardly ever has to be set.",
        },
        option="memory_per",
    ),
    _scheduled(
        "scheduler_options",
        OPTIONS,
        {},
        "Options of the scheduler's own, by name; they take the place of what clustrix would ask for under the same name. True: an "
        "option without a value.",
        {"nice": 100},
        security="The scheduler does with them what it does for you: take them from nobody from whom you would not take a job script. Values that a "
        "directive cannot hold are refused.",
        providers={
            "slurm": 'Options of `sbatch`: `{"nice": 100}` becomes `--nice=100`. `{"signal": "B:USR1@300"}` has the job told 300 s before its end.',
            "pbs": 'Options of `qsub`: `{"l": "select=1:ncpus=8:mpiprocs=8"}` takes the place of what clustrix asks for.',
            "sge": 'Options of `qsub`: `{"P": "physics"}` names a project, `{"l": "arch=lx-amd64"}` adds a resource.',
        },
        option="scheduler_options",
    ),
)
