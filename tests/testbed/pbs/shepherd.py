"""Runs one job as its user, within its limits, and writes down how it ended: what PBS calls a MOM.

``shepherd.py SPOOL ID``; the job's attributes are in ``SPOOL/jobs/ID``.  The server may end meanwhile.
"""

import json
import os
import pwd
import signal
import subprocess
import sys
import time

_KILL_DELAY = 5.0
_WALLTIME, _MEMORY = -29, -27


def main(spool, name):
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # the server, which began this, does not wait for it
    with open(os.path.join(spool, "jobs", name)) as file:
        job = json.load(file)
    user = pwd.getpwnam(job["user"])
    out = os.path.join(spool, "out", name)
    with open(out, "wb") as printed:
        os.chown(out, user.pw_uid, user.pw_gid)
        child = subprocess.Popen(
            [job["shell"], "-l", os.path.join(spool, "scripts", job["script"])],
            stdin=subprocess.DEVNULL,
            stdout=printed,
            stderr=printed,
            cwd=user.pw_dir,
            env=environment(job, user),
            user=user.pw_uid,
            group=user.pw_gid,
            extra_groups=[],
            start_new_session=True,
        )
    write(os.path.join(spool, "began", name), {"session": child.pid, "at": time.time()})
    found = watch(child, job, os.path.join(spool, "kill", name))
    kill(child.pid, signal.SIGKILL)
    deliver(out, job, user)
    write(os.path.join(spool, "ended", name), {**found, "at": time.time()})


def environment(job, user):
    here = {
        "HOME": user.pw_dir,
        "LOGNAME": user.pw_name,
        "USER": user.pw_name,
        "SHELL": user.pw_shell,
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "NCPUS": str(job["cores"]),
        "OMP_NUM_THREADS": str(job["cores"]),
        "PBS_ENVIRONMENT": "PBS_BATCH",
        "PBS_JOBID": job["id"],
        "PBS_JOBNAME": job["name"],
        "PBS_QUEUE": "workq",
        "PBS_O_WORKDIR": job["cwd"],
    }
    if job["index"] is not None:
        here["PBS_ARRAY_INDEX"] = str(job["index"])
        here["PBS_ARRAY_ID"] = job["array"]
    return here


def watch(child, job, asked):
    """Until it has ended: on its own, asked to, or over a limit."""
    began = time.time()
    peak, why, at = 0, None, None
    while child.poll() is None:
        peak = max(peak, memory(child.pid))
        passed = time.time() - began
        if why is None:
            if os.path.exists(asked):
                why = "deleted"
            elif job["walltime"] and passed > job["walltime"]:
                why = _WALLTIME
            elif job["memory"] and peak > job["memory"]:
                why = _MEMORY
            if why is not None:
                at = time.time()
                kill(child.pid, signal.SIGTERM)
        elif time.time() > at + _KILL_DELAY:
            kill(child.pid, signal.SIGKILL)
        time.sleep(0.05)
    status = child.returncode
    if why == "deleted":
        status = 256 + (-status if status < 0 else 15)
    elif why is not None:
        status = why
    elif status < 0:
        status = 128 - status
    return {"status": status, "peak": peak, "took": time.time() - began}


def session(leader):
    """All processes of it."""
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat") as file:
                    fields = file.read().rpartition(")")[2].split()
            except OSError:
                continue
            if int(fields[3]) == leader and fields[0] != "Z":
                yield int(name)


def memory(leader):
    total = 0
    for pid in session(leader):
        try:
            with open(f"/proc/{pid}/statm") as file:
                total += int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
        except OSError:
            continue
    return total


def kill(leader, number):
    for pid in list(session(leader)):
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            continue


def deliver(out, job, user):
    """What it has printed goes where the job said, as its user."""
    path = job["output"]
    if path != "/dev/null":
        subprocess.run(
            ["cp", out, path], user=user.pw_uid, group=user.pw_gid, extra_groups=[], stderr=subprocess.DEVNULL
        )
    os.unlink(out)


def write(path, row):
    with open(path + ".aside", "w") as file:
        json.dump(row, file)
    os.rename(path + ".aside", path)


if __name__ == "__main__":
    main(*sys.argv[1:])
