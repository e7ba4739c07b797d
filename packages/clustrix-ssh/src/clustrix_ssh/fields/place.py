"""Which machine is meant, and how it is reached."""

from __future__ import annotations

from functools import partial

from clustrix.config import kinds
from clustrix.config.field import Field

BATCH = ("slurm", "pbs", "sge")
FAR = {"cluster_type": ("ssh", *BATCH)}

_place = partial(Field, group="place", scope="place", shown=FAR)

PLACE_FIELDS = (
    _place(
        "cluster_host",
        kinds.text(255),
        None,
        "The machine where jobs run, or where they are submitted to a batch system: a name, an address, or an alias of ~/.ssh/config. "
        "None: this machine, for use on the login node itself.",
        "login.uni.edu",
        security="A host that is not known is refused. Compare its fingerprint with what its administrators publish, then "
        "`clustrix hosts trust HOST`. One whose key has changed is refused, too: somebody may be listening.",
        providers={
            "ssh": "The machine that is to run the jobs. Not the login node of a cluster: its rules mostly forbid it.",
            "slurm": "The login node, where `sbatch` works. None, if you are on it.",
            "pbs": "The login node, where `qsub` works. None, if you are on it.",
            "sge": "A submit host, where `qsub` works: `qconf -ss` lists them. None, if you are on it.",
        },
    ),
    _place(
        "cluster_port",
        kinds.count(1, 65535, "port"),
        None,
        "The port of its SSH server. None: as ~/.ssh/config says, else 22.",
        2222,
        security="A host's key is known for one port: `clustrix hosts trust HOST --port 2222`.",
    ),
    _place(
        "username",
        kinds.text(100),
        None,
        "Your account on that machine. None: as ~/.ssh/config says, else your name on this one.",
        "ada",
    ),
    _place(
        "key_file",
        kinds.text(),
        None,
        "The file with the private key that lets you in. None: the keys of ~/.ssh/config and of the agent.",
        "~/.ssh/id_ed25519",
        security="Only the path is kept. A key with a passphrase belongs into an agent (`ssh-add`): jobs go on while you are away, and nobody "
        "can be asked then.",
    ),
    _place(
        "password",
        kinds.text(),
        None,
        "Your password there, for hosts that take no keys.",
        "correct horse",
        secret=True,
        security="A key is better: it cannot be guessed, and need not be typed. The keyring is the place for a password "
        "(`clustrix config secret set password`), a script is not. ssh_client openssh uses none.",
    ),
    _place(
        "ssh_client",
        kinds.choice("auto", "paramiko", "openssh"),
        "auto",
        'What speaks SSH: "paramiko" is fast, "openssh" is the system\'s ssh with all that it can do; "auto" takes the first unless your '
        "set-up needs the second (Kerberos, security keys, certificates, an open ControlMaster).",
        "openssh",
        security="Both refuse hosts that are not known. paramiko does not forward your agent; openssh does where ~/.ssh/config says "
        "ForwardAgent, and then whoever administers the host can use your keys.",
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
        security="It is made readable by you only; a folder that is there already keeps its rights. Whoever administers that place can read all "
        "of it: code, arguments, results.",
        providers={
            "ssh": "A folder with room for arguments and results. ~ is your home there; variables such as $SCRATCH are not read: write the path.",
            **dict.fromkeys(
                BATCH,
                "A folder that all nodes see: your home, or scratch (`echo $SCRATCH` on the login node), never /tmp. Variables are not read: write "
                "the path. Scratch is mostly not backed up, and is cleaned of old files.",
            ),
        },
    ),
    _place(
        "agent_python",
        kinds.text(),
        None,
        "A Python (3.6 or later) on the host that clustrix itself may use. None: the first python3 there.",
        "/opt/python/bin/python3",
        security="All that is sent to the host and comes from it goes through this program: name one that only you or its administrators can "
        "change.",
        providers={
            "ssh": "It looks after the jobs. The one that runs them is python_executable.",
            **dict.fromkeys(
                BATCH, "It is for the login node only. The one that runs jobs on nodes is python_executable."
            ),
        },
    ),
)
"""Which place is meant."""
