"""The backends of batch systems: one class for all, told apart by their scheduler."""

from __future__ import annotations

from clustrix_ssh.batch import Batch
from clustrix_ssh.schedulers.interface import Scheduler
from clustrix_ssh.schedulers.pbs import Pbs
from clustrix_ssh.schedulers.sge import Sge
from clustrix_ssh.schedulers.slurm import Slurm


class SlurmCluster(Batch):
    """Slurm, from outside or on its login node."""

    scheduler: Scheduler = Slurm()


class PbsCluster(Batch):
    """OpenPBS, PBS Professional or Torque, from outside or on its login node."""

    scheduler: Scheduler = Pbs()


class SgeCluster(Batch):
    """SGE, from outside or on its submit host."""

    scheduler: Scheduler = Sge()


SCHEDULERS: dict[str, Scheduler] = {
    backend.scheduler.name: backend.scheduler for backend in (SlurmCluster, SgeCluster, PbsCluster)
}
"""By the name of their backend."""
