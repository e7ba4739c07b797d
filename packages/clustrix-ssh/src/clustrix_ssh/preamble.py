"""What a job's shell does before Python begins: modules, the user's own commands, a conda environment.

Every value is quoted for the shell, but for ``pre_execution_commands``, which are shell commands.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Any, NamedTuple

_FIND_MODULE = (
    "type module >/dev/null 2>&1 || for f in /etc/profile.d/modules.sh /etc/profile.d/lmod.sh /etc/profile.d/z00_lmod.sh "
    '/usr/share/lmod/lmod/init/bash /usr/share/modules/init/bash /usr/share/Modules/init/bash; do [ -r "$f" ] && . "$f" && break; done'
)
EX_PREAMBLE = 72
"""The exit status of a job whose preamble has failed."""


class Preamble(NamedTuple):
    """Lines of bash, and the interpreter after them."""

    lines: tuple[str, ...]
    python: str
    """Quoted for the shell already; empty: to be found."""


NO_PREAMBLE = Preamble((), "")


def preamble(settings: Mapping[str, Any]) -> Preamble:
    """From the values of the job's fields."""
    lines: list[str] = []
    modules = settings.get("module_loads") or ()
    if modules:
        lines.append(_FIND_MODULE)
    lines += [_or_fail(f"module load {shlex.quote(name)}") for name in modules]
    lines += [str(command) for command in settings.get("pre_execution_commands") or ()]
    conda = settings.get("conda_env_name")
    if conda:
        lines.append(_or_fail('eval "$(conda shell.bash hook)"'))
        lines.append(_or_fail(f"conda activate {shlex.quote(conda)}"))
    executable = settings.get("python_executable") or ("python3" if lines else "")
    return Preamble(tuple(lines), shlex.quote(executable) if executable else "")


def _or_fail(command: str) -> str:
    said = shlex.quote(f"clustrix: {command} has failed")
    return f"{command} || {{ echo {said} >&2; exit {EX_PREAMBLE}; }}"
