"""Programs there, with the environment that a login of this user has."""

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress

from clustrix.runner.faults import point
from clustrix_ssh.agent.parts.wire import Problem

OUTPUT_BYTES = 16 << 20


class Programs:
    """Runs programs with the environment that a login of this user has."""

    def __init__(self):
        self.lock = threading.Lock()
        self.login = None
        self.use_login = False
        self.running = set()

    def environment(self, request):
        base = self.login_environment() if self.use_login or request.get("login") else os.environ
        found = dict(base)
        kept = request.get("keep_variables", [])
        for prefix in request.get("clear", []):
            for name in list(found):
                if name.startswith(prefix) and name not in kept:
                    del found[name]
        found.update(request.get("variables", {}))
        return found

    def login_environment(self):
        """What the user's login shell sets, since a command over SSH often gets less."""
        with self.lock:
            if self.login is None:
                self.login = self._ask_shell()
                # Its profile may set the path anew: what was in front stays there.
                paths = [os.environ.get("PATH", os.defpath), self.login.get("PATH", "")]
                self.login["PATH"] = os.pathsep.join(path for path in paths if path)
            return self.login

    def _ask_shell(self):
        shell = os.environ.get("SHELL") or "/bin/sh"
        mark = "clustrix-%d-%d" % (os.getpid(), int(time.time() * 1e6))
        code = "import os,sys,json; sys.stdout.write('%s'+json.dumps(dict(os.environ))+'%s')" % (mark, mark)
        command = '%s -c "%s"' % (sys.executable, code)
        for words in ([shell, "-l", "-c", command], ["/bin/bash", "-l", "-c", command]):
            try:
                done = subprocess.run(
                    words,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.DEVNULL,
                    timeout=30,
                )
            except (OSError, subprocess.TimeoutExpired):
                continue
            parts = done.stdout.decode("utf-8", "replace").split(mark)
            if len(parts) == 3:
                try:
                    return json.loads(parts[1])
                except ValueError:
                    continue
        return dict(os.environ)

    def end(self):
        """Nobody waits for those that still run."""
        for pid in list(self.running):
            with suppress(OSError):  # it has ended
                os.killpg(pid, signal.SIGKILL)

    def run(self, request, payload):
        """Run it to its end, or to its time limit."""
        try:
            return self._run(request, payload)
        except FileNotFoundError:
            if self.use_login:
                raise
            self.use_login = True
            return self._run(request, payload)

    def _run(self, request, payload):
        argv = request["argv"]
        environment = self.environment(request)
        program = argv[0]
        if "/" not in program:
            program = shutil.which(program, path=environment.get("PATH", os.defpath))
            if program is None:
                raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), argv[0])
        point("agent.run")
        child = subprocess.Popen(
            argv,
            executable=program,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment,
            cwd=request.get("cwd") or None,
            start_new_session=True,
        )
        self.running.add(child.pid)
        try:
            out, err = child.communicate(bytes(payload), timeout=request.get("timeout_s", 60))
        except subprocess.TimeoutExpired:
            os.killpg(child.pid, signal.SIGKILL)
            child.communicate()
            text = "%s did not answer within %g s" % (argv[0], request.get("timeout_s", 60))
            raise Problem(text, "timeout") from None
        finally:
            self.running.discard(child.pid)
        return {"status": child.returncode, "out": out[:OUTPUT_BYTES].decode("utf-8", "replace")}, err


PROGRAMS = Programs()
