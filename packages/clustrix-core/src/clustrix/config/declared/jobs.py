"""What a job needs, and what it is called."""

from __future__ import annotations

from clustrix.config import kinds
from clustrix.config.field import Field

_FAR = ("ssh", "slurm", "pbs", "sge")

_CORES = {
    "local": "Jobs wait until so many cores of this machine are free. One that asks for more than there are runs with those, unless "
    "local_strict refuses it.",
    "ssh": "Counted among your own jobs there. Nobody else's are seen: leave some free on a machine that you share.",
    "slurm": '`--cpus-per-task`. One node has to have so many: `sinfo -o "%P %c"` shows them. An element of a map asks for up to four items at once.',
    "pbs": "`-l select=1:ncpus=4`; on Torque `-l nodes=1:ppn=4`. One node has to have so many: `pbsnodes -a` shows them. An element of a map "
    "asks for up to four items at once.",
    "sge": "`-pe smp 4`, where it is more than one; parallel_environment names another. An element of a map asks for up to four items at once.",
    "kubernetes": "To come. In general: a pod runs on one node, which keeps a part of its cores for itself. Ask for less than `Allocatable` in "
    "`kubectl describe node`.",
    "eks": "To come. In general: a node of 4 vCPUs has a little less than 4 for pods, so a pod of 4 never starts on it. Ask for 3, or take a "
    "larger instance type.",
    "aks": "To come. In general: AKS keeps a part of each node's cores, 0.14 of 4, so a pod of 4 never starts on it. Ask for 3, or take a larger "
    "size of VM.",
    "gke": "To come. In general: a Standard node keeps a part of its cores, so ask for 3 of 4. On Autopilot you pay for what pods ask for.",
}
_MEMORY = {
    "local": "Counted against this machine's memory. A job whose processes together take more is ended.",
    "ssh": "A job whose processes together take more is ended. It is not set aside: jobs begin as cores are free, so together they may "
    "need more than there is.",
    "slurm": '`--mem`, in MB, for each node. None: what the site gives, often little: `scontrol show config | grep DefMem`. `sinfo -o "%P %m"` '
    "shows what nodes have; leave a little to the system.",
    "pbs": "`mem=` in the chunk of `-l select`; on Torque `-l mem=`. memory_resource names another. None: the queue's default, as "
    "`qstat -Q -f` shows it.",
    "sge": "`-l h_vmem=`, divided by the cores, since SGE counts it by slot. It limits the address space, of which Python takes much more than it "
    "uses: ask for plenty, or set memory_resource.",
    "kubernetes": "To come. In general: ask for less than `Allocatable` in `kubectl describe node`. A container that takes more than its limit is "
    "killed (`OOMKilled`).",
    "eks": "To come. In general: a node has less for pods than its instance type: about 255 MiB are kept, and 11 MiB for each pod that may "
    "run on it.",
    "aks": "To come. In general: since Kubernetes 1.29 a node keeps 50 MB, and 20 MB for each pod that may run on it, at most a quarter of its "
    "memory; before, it is more.",
    "gke": "To come. In general: a node keeps 25 % of its first 4 GiB, 20 % of the next 4, 10 % of the next 8, and 6 % of what follows up to 128 GiB.",
}
_TIME = {
    "local": "Counted from its start, not while it waits. Then its processes are ended.",
    "ssh": "Counted from its start, not while it waits. Then its processes are ended, also while this machine is off.",
    "slurm": '`--time`, in whole minutes. `sinfo -o "%P %l"` shows the limits of partitions: a job that asks for more is refused or waits for '
    "ever, one that asks for little begins sooner. None: the partition's default.",
    "pbs": "`-l walltime=`, in whole minutes. `qstat -Q -f` shows the limits of queues (`resources_max.walltime`). None: the queue's default.",
    "sge": "`-l h_rt=`, in whole minutes. `qconf -sq QUEUE` shows a queue's limit (h_rt): a job that fits no queue may wait for ever. None: what the "
    "queue has.",
    "kubernetes": "To come. In general: a pod may be ended for an upgrade of its node, or for want of room. Short jobs lose less by that.",
    "eks": "To come. In general: a spot instance is taken away two minutes after it is told. Long jobs need other nodes, or save what they have.",
    "aks": "To come. In general: a spot node may be taken away with half a minute's notice. Long jobs need other nodes, or save what they have.",
    "gke": "To come. In general: a spot VM may be taken away with half a minute's notice. Long jobs need other nodes, or save what they have.",
}

JOBS = (
    Field(
        "default_cores",
        kinds.CORES,
        1,
        "Cores that one call, or one item of a map, needs.",
        4,
        providers=_CORES,
        option="cores",
    ),
    Field(
        "default_memory",
        kinds.MEMORY,
        None,
        "Memory that one call, or one item of a map, needs, for all of its processes together. None: clustrix asks for none, and sets no limit.",
        "16GB",
        providers=_MEMORY,
        option="memory",
    ),
    Field(
        "default_time",
        kinds.TIME,
        None,
        "How long one call, or one item of a map, may take. None: clustrix asks for none, and sets no limit.",
        "02:30:00",
        providers=_TIME,
        option="time",
    ),
    Field(
        "environment_variables",
        kinds.VARIABLES,
        {},
        "Environment variables that a job finds beside those of the submitter, or in their stead.",
        {"OMP_NUM_THREADS": "2"},
        security="They are kept where the submitter's variables are, not in the journal, and their values are not shown. Passwords and tokens "
        "belong into secrets.",
        providers={
            "local": "A job has all variables of your session. Those that are named here win.",
            **dict.fromkeys(
                _FAR,
                "Of your machine's variables a job has only those that are named here and in secrets; the rest is as at a login there. Without "
                "cluster_host it has those of your session.",
            ),
        },
        option="environment_variables",
    ),
    Field(
        "chunk",
        kinds.count(1, 1_000_000, "number"),
        None,
        "How many items of a map a worker takes at a time. None: what suits, a twentieth of a second's worth.",
        100,
        option="chunk",
        setting=False,
    ),
    Field(
        "secrets",
        kinds.texts(200, 50, "names of variables"),
        (),
        "Environment variables that are secret: the job has them, and their values are in no file in the clear, nor in what it prints.",
        ["WANDB_API_KEY"],
        security="Each is taken from the environment or, if it is not there, from the keyring. Whoever can run programs as you can still "
        "get at it, and so can the job. Values of less than four characters are not blotted out of what the job prints.",
        providers={
            "local": "The job has the variables of your session anyway. Naming one here keeps its value out of files and logs.",
            **dict.fromkeys(
                _FAR,
                "It is sent sealed. The key to it is in a file below remote_work_dir that only you can read: whoever administers that place can "
                "open it.",
            ),
        },
        option="secrets",
    ),
    Field(
        "reuse",
        kinds.FLAG,
        False,
        "A call that was made before, with the same code and arguments, gives that job instead of running again.",
        True,
        option="reuse",
    ),
    Field(
        "key",
        kinds.KEY,
        None,
        "Names one piece of work: while a job with this key is under way or has succeeded, a further submission "
        "with it is that job, not a second one.",
        "experiment-7",
        option="key",
        setting=False,
    ),
    Field(
        "name",
        kinds.text(200),
        None,
        "What the job is called, instead of its function's name.",
        "fit of 2026",
        security="Other users of a cluster may see it in its queue.",
        providers={
            "slurm": "`--job-name`: up to 24 of its letters, digits, - and _, then the job's id.",
            "pbs": "`-N`: up to 24 of its letters, digits, - and _, then the job's id. On Torque four of them, and a code.",
            "sge": "`-N`: up to 24 of its letters, digits, - and _, then the job's id.",
        },
        option="name",
        setting=False,
    ),
    Field(
        "tags",
        kinds.texts(50, 20),
        (),
        "Short texts by which jobs are found again.",
        ["paper", "draft"],
        option="tags",
        setting=False,
    ),
)
PROFILE = (
    Field(
        "profile",
        kinds.text(100, "name"),
        None,
        "The profile of a configuration file whose values hold. None: no profile.",
        "hpc",
        group="profile",
        security="A project's clustrix.yml can choose a profile of yours, and have profiles of its own: they may name another place. See "
        "`clustrix config show --origin` before you run what somebody else has sent you.",
        option="profile",
        setting=False,
    ),
)
