"""The backends of batch systems: one class for all, told apart by their scheduler."""

from __future__ import annotations

from typing import ClassVar

from clustrix_ssh.batch import Batch
from clustrix_ssh.schedulers.interface import Scheduler
from clustrix_ssh.schedulers.sge import Sge
from clustrix_ssh.schedulers.slurm import Slurm


class SlurmCluster(Batch):
    """Slurm, from outside or on its login node."""

    scheduler: ClassVar[Scheduler] = Slurm()


class SgeCluster(Batch):
    """SGE, from outside or on its submit host."""

    scheduler: ClassVar[Scheduler] = Sge()


SCHEDULERS: dict[str, Scheduler] = {
    backend.scheduler.name: backend.scheduler for backend in (SlurmCluster, SgeCluster)
}
"""By the name of their backend."""
