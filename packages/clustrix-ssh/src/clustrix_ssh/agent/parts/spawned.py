"""Programs that stay when the agent leaves, and processes that are known by their start."""

import fcntl
import os
import subprocess
import threading

from clustrix.runner.faults import point
from clustrix_ssh.agent.parts.programs import PROGRAMS


def spawn(request):
    """Start a program that stays when the agent leaves, unless its lock says that it runs already."""
    lock = request.get("lock")
    if lock and _is_locked(lock):
        return {"started": False}
    log = os.open(request["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        point("agent.spawn")
        child = subprocess.Popen(
            request["argv"],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=PROGRAMS.environment(request),
            cwd=request.get("cwd") or None,
            start_new_session=True,
        )
    finally:
        os.close(log)
    waiter = threading.Thread(target=child.wait)
    waiter.daemon = True
    waiter.start()
    return {"started": True, "pid": child.pid}


def _is_locked(path):
    try:
        fd = os.open(path, os.O_RDWR)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return False
    except OSError:
        return True
    finally:
        os.close(fd)


def process_start(pid):
    """When a process was started, as the kernel counts it; empty where there is none, or no /proc."""
    try:
        with open("/proc/%d/stat" % pid, "rb") as file:
            text = file.read()
    except OSError:
        return ""
    fields = text[text.rindex(b")") + 2 :].split()
    return "" if fields[0] in (b"Z", b"X") else fields[19].decode()


def boot_id():
    """Changes with every start of the machine."""
    try:
        with open("/proc/sys/kernel/random/boot_id") as file:
            return file.read().strip()
    except OSError:
        return ""
