"""The settings of this package, each declared once."""

from __future__ import annotations

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

PLACE_FIELDS = (
    Field(
        "cluster_host",
        kinds.text(255),
        None,
        "The machine where jobs run or are submitted: a name, an address, or an alias of ~/.ssh/config. None: this machine, "
        "as on the login node itself.",
        "login.uni.edu",
        group="place",
        scope="place",
        shown=_FAR,
    ),
    Field(
        "cluster_port",
        kinds.count(1, 65535, "port"),
        None,
        "The port of its SSH server; None: as ~/.ssh/config says, else 22.",
        2222,
        group="place",
        scope="place",
        shown=_FAR,
    ),
    Field(
        "username",
        kinds.text(100),
        None,
        "Who you are there; None: as ~/.ssh/config says, else as here.",
        "ada",
        group="place",
        scope="place",
        shown=_FAR,
    ),
    Field(
        "key_file",
        kinds.text(),
        None,
        "The private key that lets you in, and no other; None: those of ~/.ssh/config and of the agent.",
        "~/.ssh/id_ed25519",
        group="place",
        security="Only the path is kept. A key with a passphrase belongs into an agent (ssh-add).",
        scope="place",
        shown=_FAR,
    ),
    Field(
        "password",
        kinds.text(),
        None,
        "Your password there, for hosts that take no keys.",
        "correct horse",
        group="place",
        secret=True,
        security="A key is better: it cannot be guessed, and need not be typed.",
        scope="place",
        shown=_FAR,
    ),
    Field(
        "ssh_client",
        kinds.choice("auto", "paramiko", "openssh"),
        "auto",
        'What speaks SSH: "paramiko" is fast, "openssh" is the system\'s ssh with all that it can do; "auto" takes the first unless your '
        "set-up needs the second (Kerberos, security keys, certificates, an open ControlMaster).",
        "openssh",
        group="place",
        choices=("auto", "paramiko", "openssh"),
        scope="place",
        shown=_FAR,
    ),
    Field(
        "ssh_connect_timeout",
        kinds.TIME,
        10.0,
        "How long to wait for the host to answer.",
        "30 s",
        group="place",
        scope="place",
        shown=_FAR,
    ),
    Field(
        "remote_work_dir",
        kinds.text(),
        "~/.clustrix",
        "Where clustrix keeps its files there, and where jobs run (in its folder work). Of a cluster: a folder that its nodes see, too.",
        "/scratch/ada/clustrix",
        group="place",
        security="It is made readable by you only.",
        scope="place",
        shown=_FAR,
    ),
    Field(
        "agent_python",
        kinds.text(),
        None,
        "A Python (3.6 or later) on the host that clustrix itself may use; None: the first python3 there.",
        "/opt/python/bin/python3",
        group="place",
        scope="place",
        shown=_FAR,
    ),
)
"""Which place is meant."""

JOB_FIELDS = (
    Field(
        "module_loads",
        kinds.texts(200, 50, "names of modules"),
        (),
        "Modules that a job loads first.",
        ["python/3.11"],
        group="environment",
        shown=_FAR,
        option="module_loads",
    ),
    Field(
        "pre_execution_commands",
        kinds.texts(2000, 50, "shell commands"),
        (),
        "Shell commands (bash) that a job runs after that, before its Python.",
        ["source /opt/site/setup.sh"],
        group="environment",
        security="They are shell commands: what stands here is run there, as you.",
        shown=_FAR,
        option="pre_execution_commands",
    ),
    Field(
        "conda_env_name",
        kinds.text(200),
        None,
        "A conda environment that a job activates after these.",
        "physics",
        group="environment",
        shown=_FAR,
        option="conda_env_name",
    ),
    Field(
        "python_executable",
        kinds.text(),
        None,
        "The job's Python there; it has to have the same minor version as this one. None: that is looked for.",
        "/opt/python3.11/bin/python3",
        group="environment",
        shown=_FAR,
        option="python_executable",
    ),
    Field(
        "default_partition",
        kinds.text(200),
        None,
        "The partition of a job, as Slurm calls it; None: the site's own choice.",
        "long",
        group="scheduler",
        shown=_SCHEDULED,
        option="partition",
    ),
    Field(
        "default_queue",
        kinds.text(200),
        None,
        "The same under the name that other batch systems have for it.",
        "long",
        group="scheduler",
        shown=_SCHEDULED,
        option="queue",
    ),
    Field(
        "account",
        kinds.text(200),
        None,
        "The account that pays for a job.",
        "physics-42",
        group="scheduler",
        shown=_SCHEDULED,
        option="account",
    ),
    Field(
        "qos",
        kinds.text(200),
        None,
        "The quality of service of a job.",
        "high",
        group="scheduler",
        shown=_SCHEDULED,
        option="qos",
    ),
    Field(
        "gpus",
        kinds.text(100),
        None,
        'GPUs for a job: a number, or a type and a number ("a100:2").',
        "2",
        group="scheduler",
        shown=_SCHEDULED,
        option="gpus",
    ),
    Field(
        "nodes",
        kinds.count(1, 100_000, "number"),
        None,
        "How many nodes the cores are spread over; None: one.",
        2,
        group="scheduler",
        shown=_SCHEDULED,
        option="nodes",
    ),
    Field(
        "exclusive",
        kinds.FLAG,
        False,
        "Share its nodes with nobody.",
        True,
        group="scheduler",
        shown=_SCHEDULED,
        option="exclusive",
    ),
    Field(
        "constraint",
        kinds.text(),
        None,
        "Features that the node must have.",
        "skylake",
        group="scheduler",
        shown=_SCHEDULED,
        option="constraint",
    ),
    Field(
        "mail",
        kinds.text(200),
        None,
        "The address to which the scheduler writes.",
        "ada@uni.edu",
        group="scheduler",
        shown=_SCHEDULED,
        option="mail",
    ),
    Field(
        "mail_events",
        kinds.text(200),
        None,
        "Of what it writes, in the scheduler's own words.",
        "END,FAIL",
        group="scheduler",
        shown=_SCHEDULED,
        option="mail_events",
    ),
    Field(
        "dependency",
        kinds.text(),
        None,
        "Jobs of the scheduler to wait for, in its own words.",
        "afterok:4711",
        group="scheduler",
        shown=_SCHEDULED,
        option="dependency",
    ),
    Field(
        "parallel_environment",
        kinds.text(100),
        "smp",
        "SGE's parallel environment for more than one core: one that has all slots on one host (qconf -spl lists them).",
        "threaded",
        group="scheduler",
        shown={"cluster_type": ("sge",)},
        option="parallel_environment",
    ),
    Field(
        "memory_resource",
        kinds.text(100),
        None,
        "The resource by which memory is asked for, since sites differ: of SGE h_vmem, mem_free, virtual_free, s_vmem; of PBS mem, vmem, "
        "pmem, pvmem. None: h_vmem, and mem.",
        "mem_free",
        group="scheduler",
        shown={"cluster_type": ("sge", "pbs")},
        option="memory_resource",
    ),
    Field(
        "memory_per",
        kinds.choice("slot", "job"),
        None,
        'Whether that resource is counted for each "slot" (memory is divided by the cores then) or for the whole "job". None: as is '
        "usual for it: by slot on SGE and for PBS's pmem and pvmem, else for the job.",
        "job",
        group="scheduler",
        choices=("slot", "job"),
        shown={"cluster_type": ("sge", "pbs")},
        option="memory_per",
    ),
    Field(
        "scheduler_options",
        OPTIONS,
        {},
        "Options of the scheduler's own, by name; they take the place of what clustrix would ask for under the same name. True: an "
        "option without a value.",
        {"nice": 100},
        group="scheduler",
        security="Values that a directive cannot hold are refused.",
        shown=_SCHEDULED,
        option="scheduler_options",
    ),
)
"""What a job needs there."""
