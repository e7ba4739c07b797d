"""Commit records: told as they come."""

import os
import threading
import time

from clustrix_ssh.agent.parts.files import read_part
from clustrix_ssh.agent.parts.wire import SMALL_BYTES


class Watch(threading.Thread):
    """Tells of new files in one folder, however many jobs they are of: that costs one look at the folder.

    The pauses between looks grow with the time since something has happened, so that an agent that waits for days costs nothing.
    """

    def __init__(self, agent, folder, jobs):
        threading.Thread.__init__(self)
        self.daemon = True
        self.agent = agent
        self.folder = folder
        self.jobs = jobs
        self.known = set()
        self.eager = time.monotonic()
        self.wake = threading.Event()

    def run(self):
        seen, listed = None, 0.0
        while True:
            now = time.monotonic()
            try:
                changed = os.stat(self.folder).st_mtime_ns
                # A change within the clock's grain of the latest look cannot be seen in the time: look again for a while.
                if changed != seen or now - listed < 1.5 or now - listed > 30:
                    if changed != seen or now - listed > 30:
                        listed = now
                    seen = changed
                    self.look()
            except OSError as error:
                self.agent.tell({"event": "trouble", "text": "%s: %s" % (self.folder, error.strerror)})
                time.sleep(5)
            idle = time.monotonic() - self.eager
            self.wake.wait(min(1.0, max(0.001, idle * 0.02)))
            self.wake.clear()

    def stir(self):
        """Something is about to happen."""
        self.eager = time.monotonic()
        self.wake.set()

    def look(self):
        there = set(os.listdir(self.folder))
        new = sorted(name for name in there - self.known if not name.startswith("."))
        self.known = there
        if new:
            self.eager = time.monotonic()
        while new:
            names, new = new[:500], new[500:]
            header, payload = {"event": "records", "names": names, "files": []}, bytearray()
            for name in names:
                if name.endswith(".d") and len(payload) < 1 << 20:
                    self._add_results(name[:-2], header["files"], payload)
            self.agent.tell(header, payload)

    def _add_results(self, job, rows, payload):
        """What is small goes along: it need not be asked for."""
        folder = os.path.join(self.jobs, job)
        found = []
        for name in ("out", "err", "result"):  # the result last: who has it has all
            try:
                path = os.path.join(folder, name)
                if os.stat(path).st_size > SMALL_BYTES:
                    return
                found.append((name, read_part(path, 0, SMALL_BYTES)))
            except FileNotFoundError:
                if name == "result":
                    return
        for name, data in found:
            rows.append([job, name, len(data)])
            payload += data
