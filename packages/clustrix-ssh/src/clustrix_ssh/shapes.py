"""How a job is laid out on a cluster: elements of an array, workers in each, and the time that each asks for."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from clustrix.backends import JobSpec
from clustrix_ssh.orders import Shape

_WORKERS = 16
"""Of a map that does not say how many items may run at once."""
_WORKERS_AN_ELEMENT = 4
_CORES_AN_ELEMENT = 8
_BYTES_AN_ELEMENT = 16 << 30
_LONGEST_ELEMENT_SECONDS = 2 * 3600.0


def shape_of(job: JobSpec) -> Shape:
    """Of a call one place of work; of a map some elements, each with workers for a few items at a time."""
    if job.kind != "map":
        return Shape(1, 1, _in_minutes(job.time_s))
    spec: Mapping[str, Any] = json.loads(job.spec)
    wanted = max(1, min(job.items, spec.get("workers") or _WORKERS))
    elements = -(-wanted // _workers_an_element(job))
    workers = -(-wanted // elements)
    return Shape(elements, workers, _in_minutes(_walltime(job, elements * workers)))


def _in_minutes(time_s: float | None) -> float | None:
    """What is asked for: rounded up, as Slurm does, so that it is the job's own watch that ends it to the second, and tells so."""
    return None if time_s is None else math.ceil(time_s / 60) * 60.0


def _workers_an_element(job: JobSpec) -> int:
    """A few share one place of work, unless together they would need more than most nodes have to spare."""
    settings = job.settings
    if settings.get("gpus") or settings.get("nodes"):
        return 1  # these are asked for by the place
    fit = [_WORKERS_AN_ELEMENT, _CORES_AN_ELEMENT // job.cores]
    if job.memory_bytes:
        fit.append(_BYTES_AN_ELEMENT // job.memory_bytes)
    return max(1, min(fit))


def _walltime(job: JobSpec, workers: int) -> float | None:
    """Of one element: for its share of the items, but no more than some hours for the sake of short ones."""
    if job.time_s is None:
        return None
    share = job.time_s * -(-job.items // workers)
    return max(job.time_s, min(share, _LONGEST_ELEMENT_SECONDS))
