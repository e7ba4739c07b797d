"""The settings of this package, each declared once."""

from __future__ import annotations

from functools import partial
from typing import Any

from clustrix.config import kinds
from clustrix.config.field import Field
from clustrix.errors import ConfigError

_BATCH = ("slurm", "sge", "pbs")
_ALL = ("ssh", *_BATCH)
_FAR = {"cluster_type": _ALL}
_SCHEDULED = {"cluster_type": _BATCH}


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

_place = partial(Field, group="place", scope="place", shown=_FAR)
_environment = partial(Field, group="environment", shown=_FAR)
_scheduled = partial(Field, group="scheduler", shown=_SCHEDULED)

PLACE_FIELDS = (
    _place(
        "cluster_host",
        kinds.text(255),
        None,
        "The machine where jobs run or are submitted: a name, an address, or an alias of ~/.ssh/config. None: this machine, "
        "as on the login node itself.",
        "login.uni.edu",
    ),
    _place(
        "cluster_port",
        kinds.count(1, 65535, "port"),
        None,
        "The port of its SSH server; None: as ~/.ssh/config says, else 22.",
        2222,
    ),
    _place(
        "username",
        kinds.text(100),
        None,
        "Who you are there; None: as ~/.ssh/config says, else as here.",
        "ada",
    ),
    _place(
        "key_file",
        kinds.text(),
        None,
        "The private key that lets you in, and no other; None: those of ~/.ssh/config and of the agent.",
        "~/.ssh/id_ed25519",
        security="Only the path is kept. A key with a passphrase belongs into an agent (ssh-add).",
    ),
    _place(
        "password",
        kinds.text(),
        None,
        "Your password there, for hosts that take no keys.",
        "correct horse",
        secret=True,
        security="A key is better: it cannot be guessed, and need not be typed.",
    ),
    _place(
        "ssh_client",
        kinds.choice("auto", "paramiko", "openssh"),
        "auto",
        'What speaks SSH: "paramiko" is fast, "openssh" is the system\'s ssh with all that it can do; "auto" takes the first unless your '
        "set-up needs the second (Kerberos, security keys, certificates, an open ControlMaster).",
        "openssh",
        choices=("auto", "paramiko", "openssh"),
    ),
    _place(
        "ssh_connect_timeout",
        kinds.TIME,
        10.0,
        "How long to wait for the host to answer.",
        "30 s",
    ),
    _place(
        "remote_work_dir",
        kinds.text(),
        "~/.clustrix",
        "Where clustrix keeps its files there, and where jobs run (in its folder work). Of a cluster: a folder that its nodes see, too.",
        "/scratch/ada/clustrix",
        security="It is made readable by you only.",
    ),
    _place(
        "agent_python",
        kinds.text(),
        None,
        "A Python (3.6 or later) on the host that clustrix itself may use; None: the first python3 there.",
        "/opt/python/bin/python3",
    ),
)
"""Which place is meant."""

JOB_FIELDS = (
    _environment(
        "module_loads",
        kinds.texts(200, 50, "names of modules"),
        (),
        "Modules that a job loads first.",
        ["python/3.11"],
        option="module_loads",
    ),
    _environment(
        "pre_execution_commands",
        kinds.texts(2000, 50, "shell commands"),
        (),
        "Shell commands (bash) that a job runs after that, before its Python.",
        ["source /opt/site/setup.sh"],
        security="They are shell commands: what stands here is run there, as you.",
        option="pre_execution_commands",
    ),
    _environment(
        "conda_env_name",
        kinds.text(200),
        None,
        "A conda environment that a job activates after these.",
        "physics",
        option="conda_env_name",
    ),
    _environment(
        "python_executable",
        kinds.text(),
        None,
        "The job's Python there; it has to have the same minor version as this one. None: that is looked for.",
        "/opt/python3.11/bin/python3",
        option="python_executable",
    ),
    _scheduled(
        "default_partition",
        kinds.text(200),
        None,
        "The partition of a job, as Slurm calls it; None: the site's own choice.",
        "long",
        option="partition",
    ),
    _scheduled(
        "default_queue",
        kinds.text(200),
        None,
        "The same under the name that other batch systems have for it.",
        "long",
        option="queue",
    ),
    _scheduled(
        "account",
        kinds.text(200),
        None,
        "The account that pays for a job.",
        "physics-42",
        option="account",
    ),
    _scheduled(
        "qos",
        kinds.text(200),
        None,
        "The quality of service of a job.",
        "high",
        option="qos",
    ),
    _scheduled(
        "gpus",
        kinds.text(100),
        None,
        'GPUs for a job: a number, or a type and a number ("a100:2").',
        "2",
        option="gpus",
    ),
    _scheduled(
        "nodes",
        kinds.count(1, 100_000, "number"),
        None,
        "How many nodes the cores are spread over; None: one.",
        2,
        option="nodes",
    ),
    _scheduled(
        "exclusive",
        kinds.FLAG,
        False,
        "Share its nodes with nobody.",
        True,
        option="exclusive",
    ),
    _scheduled(
        "constraint",
        kinds.text(),
        None,
        "Features that the node must have.",
        "skylake",
        option="constraint",
    ),
    _scheduled(
        "mail",
        kinds.text(200),
        None,
        "The address to which the scheduler writes.",
        "ada@uni.edu",
        option="mail",
    ),
    _scheduled(
        "mail_events",
        kinds.text(200),
        None,
        "Of what it writes, in the scheduler's own words.",
        "END,FAIL",
        option="mail_events",
    ),
    _scheduled(
        "dependency",
        kinds.text(),
        None,
        "Jobs of the scheduler to wait for, in its own words.",
        "afterok:4711",
        option="dependency",
    ),
    _scheduled(
        "parallel_environment",
        kinds.text(100),
        "smp",
        "SGE's parallel environment for more than one core: one that has all slots on one host (qconf -spl lists them).",
        "threaded",
        shown={"cluster_type": ("sge",)},
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
        option="memory_resource",
    ),
    _scheduled(
        "memory_per",
        kinds.choice("slot", "job"),
        None,
        'Whether that resource is counted for each "slot" (memory is divided by the cores then) or for the whole "job". None: as is '
        "usual for it: by slot on SGE and for PBS's pmem and pvmem, else for the job.",
        "job",
        choices=("slot", "job"),
        shown={"cluster_type": ("sge", "pbs")},
        option="memory_per",
    ),
    _scheduled(
        "scheduler_options",
        OPTIONS,
        {},
        "Options of the scheduler's own, by name; they take the place of what clustrix would ask for under the same name. True: an "
        "option without a value.",
        {"nice": 100},
        security="Values that a directive cannot hold are refused.",
        option="scheduler_options",
    ),
)
"""What a job needs there."""
