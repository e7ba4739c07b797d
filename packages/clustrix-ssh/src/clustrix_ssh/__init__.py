"""Machines over SSH, and batch systems: what clustrix asks this plugin.  Light, since everybody pays for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clustrix.plugins import hookimpl

if TYPE_CHECKING:
    from clustrix.plugins.registry import Registry

HOOK_API = 1


@hookimpl
def clustrix_register(registry: Registry) -> None:
    """Backends and their settings."""
    from clustrix_ssh.fields import JOB_FIELDS, PLACE_FIELDS

    own = [field for field in JOB_FIELDS if "ssh" in field.shown["cluster_type"]]
    registry.backend(
        "ssh", "clustrix_ssh.machine:Machine", title="A machine over SSH", fields=[*PLACE_FIELDS, *own]
    )
    rest = [field for field in JOB_FIELDS if field not in own]
    registry.backend("slurm", "clustrix_ssh.clusters:SlurmCluster", title="Slurm", fields=rest)
    registry.backend("sge", "clustrix_ssh.clusters:SgeCluster", title="SGE")
    registry.backend("pbs", "clustrix_ssh.clusters:PbsCluster", title="PBS")
    for name in ("ssh", "slurm", "sge", "pbs"):
        registry.connection_test(name, "clustrix_ssh.checking:look")
    registry.assistant(
        "key",
        "clustrix_ssh.keysetup:set_up_key",
        title="Set up a key",
        backends=("ssh", "slurm", "sge", "pbs"),
    )
    registry.command(
        "setup",
        "clustrix_ssh.cli.setup:setup",
        title="Find out what a host has, and write a profile for it.",
    )
    registry.command(
        "login",
        "clustrix_ssh.cli.login:login",
        title="Answer what a host asks: a passphrase, a password, a second factor.",
    )
    registry.command(
        "hosts",
        "clustrix_ssh.cli.hosts:hosts",
        title="Machines that jobs are sent to: trust their keys, see what they have.",
    )
