"""What can be asked for."""

import errno
import os
import pwd
import select
import signal
import socket
import sys
import threading
import time

from clustrix.runner.faults import point
from clustrix_ssh.agent.parts.files import create_file, make_folder, read_part
from clustrix_ssh.agent.parts.filing import Filing
from clustrix_ssh.agent.parts.once import run_once
from clustrix_ssh.agent.parts.programs import PROGRAMS
from clustrix_ssh.agent.parts.pythons import find_pythons
from clustrix_ssh.agent.parts.spawned import boot_id, process_start, spawn
from clustrix_ssh.agent.parts.watching import Watch
from clustrix_ssh.agent.parts.wire import PROTOCOL, Problem, Wire

THREADS = 8


SLOW = ("exec", "once", "get", "pythons", "finish", "sweep", "remove")


def user_name():
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return os.environ.get("LOGNAME") or os.environ.get("USER") or str(os.getuid())


def slow(header):
    """Whether a request may take long: then it has a thread of its own, and the next may be answered before it."""
    return header["do"] in SLOW or any(one["do"] in SLOW for one in header.get("ops", ()))


class Agent(Filing):
    def __init__(self, umask=0o077):
        self.umask = umask
        self.wire = Wire()
        self.watches = {}
        self.puts = {}
        self.slots = threading.Semaphore(THREADS)

    def tell(self, header, payload=b""):
        try:
            self.wire.send(header, payload)
        except OSError:
            PROGRAMS.end()
            os._exit(0)  # nobody listens any more

    def serve(self):
        while True:
            frame = self.wire.receive()
            if frame is None:
                return
            header, payload = frame
            if slow(header):
                self.slots.acquire()
                thread = threading.Thread(target=self._answer_and_free, args=(header, payload))
                thread.daemon = True
                thread.start()
            else:
                self._answer(header, payload)

    def _answer_and_free(self, header, payload):
        try:
            self._answer(header, payload)
        finally:
            self.slots.release()

    def _answer(self, header, payload):
        try:
            found, data = self.do(header, payload)
            found["id"] = header["id"]
        except Problem as error:
            found, data = {"id": header["id"], "error": str(error), "kind": error.kind}, b""
        except OSError as error:
            name = errno.errorcode.get(error.errno, "")
            text = "%s: %s" % (error.filename or header["do"], error.strerror or error)
            found, data = {"id": header["id"], "error": text, "kind": name}, b""
        except Exception as error:  # the process's edge: whatever it is, whoever asked is told
            text = "the agent failed in %r: %s: %s" % (header.get("do"), type(error).__name__, error)
            found, data = {"id": header["id"], "error": text, "kind": "agent"}, b""
        self.tell(found, data)

    def do(self, request, payload):
        method = getattr(self, "do_" + request["do"].replace("-", "_"), None)
        if method is None:
            raise Problem("there is no request %r" % request["do"], "unknown")
        point("agent.before-" + request["do"])
        answer = method(request, payload)
        point("agent.after-" + request["do"])
        return answer if isinstance(answer, tuple) else (answer or {}, b"")

    def do_nothing(self, request, payload):
        return {}

    def do_hello(self, request, payload):
        """Who and where this is."""
        return {
            "protocol": PROTOCOL,
            "python": list(sys.version_info[:3]),
            "executable": sys.executable,
            "host": socket.gethostname(),
            "home": os.path.expanduser("~"),
            "uid": os.getuid(),
            "user": user_name(),
            "shell": os.environ.get("SHELL", ""),
            "pid": os.getpid(),
            "umask": self.umask,
            "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
            "time": time.time(),
            "system": "%s %s" % (os.uname().sysname, os.uname().machine),
        }

    def do_many(self, request, payload):
        """Several in a row; the first that fails ends them.  Each has its part of the payload."""
        view, at, found, data = memoryview(payload), 0, [], bytearray()
        for one in request["ops"]:
            size = one.get("size", 0)
            answer, more = self.do(one, view[at : at + size])
            answer["size"] = len(more)
            found.append(answer)
            data += more
            at += size
        return {"answers": found}, data

    def do_claim(self, request, payload):
        """Take claims for nobody, so that nobody begins these jobs; of those that somebody has: what it says."""
        held = []
        for folder in request["folders"]:
            make_folder(folder)
            held.append(create_file(os.path.join(folder, "claim"), request["claim"].encode()))
        return {"held": held}

    def do_signal(self, request, payload):
        """Send a signal to processes, each named by its pid and start."""
        told = []
        for pid, start in request["processes"]:
            lives = bool(start) and process_start(pid) == start
            if lives:
                try:
                    os.kill(pid, request["signal"])
                except ProcessLookupError:
                    lives = False
            told.append(lives)
        return {"lived": told}

    def do_states(self, request, payload):
        """Of jobs, by their folders: is there a result, who has claims, and do these live?  ``queue``: where waiting ones are linked."""
        boot = boot_id()
        rows = []
        for folder in request["folders"]:
            claims = []
            elements = os.path.join(folder, "elements")
            paths = [folder]
            if os.path.isdir(elements):
                paths += [os.path.join(elements, name) for name in sorted(os.listdir(elements))]
            for path in paths:
                try:
                    text = read_part(os.path.join(path, "claim"), 0, 1000).decode("utf-8", "replace")
                except OSError:
                    continue
                parts = text.strip().split("|")
                here = len(parts) == 4 and parts[2] == boot
                claims.append([text, here and process_start(int(parts[0])) == parts[1], here])
            queued = bool(request.get("queue")) and os.path.lexists(
                os.path.join(request["queue"], os.path.basename(folder))
            )
            ends = os.path.join(folder, "ends")
            rows.append(
                {
                    "result": os.path.exists(os.path.join(folder, "result")),
                    "there": os.path.exists(os.path.join(folder, "order")),
                    "claims": claims,
                    "queued": queued,
                    "ended": len(os.listdir(ends)) if os.path.isdir(ends) else 0,
                }
            )
        return {"states": rows}

    def do_exec(self, request, payload):
        return PROGRAMS.run(request, payload)

    def do_once(self, request, payload):
        return run_once(request, payload)

    def do_spawn(self, request, payload):
        return spawn(request)

    def do_poke(self, request, payload):
        """Wake who reads a FIFO; whether there is somebody."""
        try:
            fd = os.open(request["path"], os.O_WRONLY | os.O_NONBLOCK)
        except OSError as error:
            if error.errno in (errno.ENXIO, errno.ENOENT):
                return {"heard": False}
            raise
        if select.select([], [fd], [], 0)[1]:  # else it has enough to read
            point("agent.poke")
            os.write(fd, b"!")
        os.close(fd)
        return {"heard": True}

    def do_watch(self, request, payload):
        """Tell of all that is in a folder, then of what comes."""
        make_folder(request["folder"])
        watch = Watch(self, request["folder"], request["jobs"])
        self.watches[request["folder"]] = watch
        watch.start()

    def do_stir(self, request, payload):
        for watch in self.watches.values():
            watch.stir()

    def do_pythons(self, request, payload):
        return find_pythons(request["version"])


def main():
    umask = os.umask(0o077)
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    agent = Agent(umask)
    agent.serve()
    PROGRAMS.end()
    os._exit(0)  # a submission goes on
