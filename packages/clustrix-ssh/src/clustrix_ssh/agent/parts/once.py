"""Programs that are run once, whatever becomes of who asked for it."""

import os
import shutil
import subprocess
import threading
import time

from clustrix.runner.faults import point
from clustrix_ssh.agent.parts.files import make_folder, read_part, remove, write_file
from clustrix_ssh.agent.parts.programs import OUTPUT_BYTES, PROGRAMS
from clustrix_ssh.agent.parts.wire import Problem

ONCE = """
folder="$1"; shift
echo $$ > "$folder/pid.aside" && mv "$folder/pid.aside" "$folder/pid"
"$@" < "$folder/in" > "$folder/out" 2> "$folder/err"
echo $? > "$folder/status.aside" && mv "$folder/status.aside" "$folder/status"
"""


def run_once(request, payload):
    """Run a program whose answer stays in a folder: who asks again gets that answer, and the program is not run again.

    It goes on when the agent is ended.  Where that cannot be seen to its end (the host was started anew), the answer
    has ``unknown``: whoever asked has to find out otherwise whether it did what it should, and may then ask with ``again``.
    """
    folder, limit = request["folder"], request.get("timeout_s", 60)
    make_folder(folder)
    status = os.path.join(folder, "status")
    if request.get("again"):
        for name in ("status", "pid", "begun"):
            remove(os.path.join(folder, name))
    deadline = time.time() + limit
    try:
        os.close(os.open(os.path.join(folder, "begun"), os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        begun = True
    except FileExistsError:
        begun = False
    if begun:
        write_file(os.path.join(folder, "in"), payload)
        _start_kept(request, folder)
    unseen = 0
    while not os.path.exists(status):
        time.sleep(0.002 if begun else 0.02)
        unseen = 0 if _shell_lives(folder) else unseen + 1
        if unseen > 100 and not os.path.exists(status):
            return {"unknown": True}, b""
        if time.time() > deadline:
            raise Problem("%s has not answered within %g s" % (request["argv"][0], limit), "timeout")
    out = read_part(os.path.join(folder, "out"), 0, OUTPUT_BYTES).decode("utf-8", "replace")
    err = read_part(os.path.join(folder, "err"), 0, OUTPUT_BYTES)
    return {"status": int(read_part(status, 0, 20).decode() or 1), "out": out}, err


def _start_kept(request, folder):
    environment = PROGRAMS.environment(request)
    if shutil.which(request["argv"][0], path=environment.get("PATH", os.defpath)) is None:
        PROGRAMS.use_login = True
        environment = PROGRAMS.environment(request)
    point("agent.run-once")
    child = subprocess.Popen(
        ["/bin/sh", "-c", ONCE, "sh", folder] + request["argv"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=environment,
        cwd=request.get("cwd") or None,
        start_new_session=True,
    )
    waiter = threading.Thread(target=child.wait)  # it is reaped whenever it ends
    waiter.daemon = True
    waiter.start()


def _shell_lives(folder):
    try:
        pid = int(read_part(os.path.join(folder, "pid"), 0, 20).decode() or 0)
        with open("/proc/%d/cmdline" % pid, "rb") as file:
            return folder.encode() in file.read()
    except (OSError, ValueError):
        return False
