"""A job as files for the far side."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from clustrix.backends import JobSpec
from clustrix.backends.values import Content, told
from clustrix.bundle.unused import named
from clustrix.runner import layout, sealing
from clustrix.runner.policy import of_spec
from clustrix_ssh.farpaths import FarPaths, Seal
from clustrix_ssh.schedulers.interface import Requeue

_THIS_MACHINES = re.compile(
    r"PATH|HOME|PWD|OLDPWD|SHELL|USER|LOGNAME|MAIL|HOSTNAME|TMPDIR|TEMP|TMP|TERM|TERM_.*|COLORTERM|DISPLAY|WAYLAND_.*|XAUTHORITY|"
    r"SSH_.*|XDG_.*|DBUS_.*|LD_.*|DYLD_.*|PYTHON.*|VIRTUAL_ENV.*|CONDA_.*|PYENV_.*|UV_.*|LS_COLORS|SHLVL|_|"
    r"SLURM_.*|SBATCH_.*|PBS_.*|SGE_.*|JOB_ID|JPY_.*|INVOCATION_ID|JOURNAL_STREAM|CLUSTRIX_.*|PYTEST_.*|HATCH_.*|MAKE.*|COLUMNS|LINES"
)
"""Variables that tell of the machine, session or batch job that they are set in: elsewhere they are wrong."""


class Shape(NamedTuple):
    """How a job is laid out at its place."""

    elements: int = 1
    """Places of work of a map; 1 for a call."""
    workers: int = 1
    """At each of them."""
    walltime_s: float | None = None
    """What each element asks for."""
    notice_s: float = 0.0
    """How long before the end of its time it gets a signal that its user has asked for."""
    requeue: Requeue | None = None
    """How it has itself queued again from within, if it can."""


class Blob(NamedTuple):
    """Something large that the job needs."""

    digest: str
    path: str
    """On this machine."""
    size: int


class FarJob(NamedTuple):
    """All that has to be there before it can be begun."""

    spec: JobSpec
    folder: str
    files: Mapping[str, bytes]
    """By name, below the folder."""
    blobs: Sequence[Blob]


def far_job(
    spec: JobSpec,
    paths: FarPaths,
    shape: Shape,
    python: str,
    script: str | None,
    same_machine: bool,
    seal: Seal,
    umask: int,
) -> FarJob:
    """``script``: what runs the job, if that is more than its Python; ``umask``: the user's, there.

    Raises OSError, JournalError, sealing.Unsealable.
    """
    content = spec.read()
    place: dict[str, Any] = json.loads(content.place)
    order = {
        **told(spec, content, shape.workers),
        "elements": shape.elements,
        "walltime_s": shape.walltime_s,
        "cwd": place["cwd"] if same_machine else paths.work,
        "blobs": paths.blobs,
        "records": paths.records,
        "python": python,
        "script": script is not None,
        "requeue": list(shape.requeue) if shape.requeue is not None else None,
        "notice_s": shape.notice_s,
        "umask": umask,
        "requeues": of_spec(spec.spec).requeues,
    }
    files = {
        layout.PAYLOAD: content.payload,
        layout.ENVIRON: _environ(content, place, same_machine, seal),
        **({"script": script.encode()} if script is not None else {}),
        layout.ORDER: json.dumps(order).encode(),  # the last: who finds it finds all
    }
    blobs = [_blob(content.blobs, digest) for digest in named(content.payload)]
    return FarJob(spec, paths.job(spec.id), files, blobs)


def _environ(content: Content, place: Mapping[str, Any], same_machine: bool, seal: Seal) -> bytes:
    variables, _ = sealing.opened(content.environ)
    secret = [name for name, value in content.environ.items() if value.startswith(sealing.MARK)]
    named_ones = place.get("variables")
    if not same_machine and named_ones is not None:
        wanted = {*named_ones, *secret}
        variables = {name: value for name, value in variables.items() if name in wanted}
    else:
        keep = {*secret, *(named_ones or ())}
        variables = {
            name: value
            for name, value in variables.items()
            if name in keep or not _THIS_MACHINES.fullmatch(name)
        }
    sealed = {name: sealing.seal(variables[name], seal.path, seal.key) for name in secret}
    return json.dumps({**variables, **sealed}).encode()


def _blob(root: str, digest: str) -> Blob:
    path = os.path.join(root, digest[:2], digest)
    return Blob(digest, path, os.stat(path).st_size)
