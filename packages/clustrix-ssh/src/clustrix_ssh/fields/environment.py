"""What comes before a job on another machine, and its Python."""

from __future__ import annotations

from functools import partial

from clustrix.config import kinds
from clustrix.config.field import Field
from clustrix_ssh.fields.place import BATCH, FAR

_environment = partial(Field, group="environment", shown=FAR)

_TWICE = (
    "They run on the node before each job, and once on the login node, to see which Python they lead to: they have to work on both, and "
    "to end within a minute."
)

ENVIRONMENT_FIELDS = (
    _environment(
        "module_loads",
        kinds.texts(200, 50, "names of modules"),
        (),
        "Modules that a job loads first, as `module load` names them.",
        ["python/3.11"],
        security="A module runs commands as you: load those of your site, or your own.",
        providers={
            "ssh": "`module avail` there lists them; many machines that are no cluster have none. A Python among them needs this one's minor "
            "version.",
            **dict.fromkeys(
                BATCH,
                "`module avail` on the login node lists them; the nodes have to have them, too. A Python among them needs this one's minor version.",
            ),
        },
        option="module_loads",
    ),
    _environment(
        "pre_execution_commands",
        kinds.texts(2000, 50, "shell commands"),
        (),
        "Shell commands (bash) that a job runs after that, before its Python.",
        ["source /opt/site/setup.sh"],
        security="They are shell commands: what stands here is run there, as you. No passwords: they stand in the job's script.",
        providers={
            "ssh": "They run before each job, and once to see which Python they lead to: they have to end within a minute.",
            "slurm": _TWICE,
            "pbs": f"{_TWICE} Lines that begin with `#PBS` are refused.",
            "sge": f"{_TWICE} Lines that begin with `#$` are refused.",
        },
        option="pre_execution_commands",
    ),
    _environment(
        "conda_env_name",
        kinds.text(200),
        None,
        "A conda environment that a job activates after these. None: none.",
        "physics",
        security="To activate an environment runs its own scripts, as you.",
        providers={
            "ssh": "`conda env list` there shows them. If `conda` is not on the path: source its `etc/profile.d/conda.sh` in "
            "pre_execution_commands.",
            **dict.fromkeys(
                BATCH,
                "`conda env list` on the login node shows them. If `conda` is not on the path, name its module in module_loads. The nodes have to see "
                "the environment's folder.",
            ),
        },
        option="conda_env_name",
    ),
    _environment(
        "python_executable",
        kinds.text(),
        None,
        "The job's Python there; it has to have the same minor version as this one. None: python3 of the modules, commands and environment "
        "above, and without those one that is looked for.",
        "/opt/python3.11/bin/python3",
        security="It gets your code, its arguments and its secrets: name one that only you or the administrators there can change.",
        providers={
            "ssh": "A path on that machine, or a name that its shell finds, such as `python3.11`.",
            **dict.fromkeys(
                BATCH,
                "A path that the nodes have, too: one in your home or of the site, not of the login node alone. `clustrix hosts check` "
                "looks on a node.",
            ),
        },
        option="python_executable",
    ),
)
