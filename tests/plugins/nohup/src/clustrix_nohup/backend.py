"""Jobs with ``nohup``: they outlive everything; a lock for each core makes the others wait."""

import os
import signal
import subprocess
import zlib
from contextlib import suppress

from clustrix.backends import Backend, Phase, Receipt, Status

CORES = os.cpu_count() or 1


class Nohup(Backend):
    fastest_poll_s, slowest_poll_s = 0.05, 1.0

    def __init__(self, host):
        super().__init__(host)
        self.started = {}

    async def submit(self, jobs):
        return [Receipt(self.start(job)) for job in jobs]

    def start(self, job):
        job.prepare(workers=CORES)
        if job.look() is not None:  # somebody has begun it
            return job.handle
        lock = self.host.folder / f"core-{zlib.crc32(job.id.encode()) % CORES}"
        command = ["nohup", "flock", str(lock), *job.command()]
        # Started twice, it runs once all the same: only one of the two gets the job's claim.
        self.started[job.id] = subprocess.Popen(
            command, stdin=-3, stdout=-3, stderr=-3, start_new_session=True
        )
        return str(self.started[job.id].pid)

    async def poll(self, jobs):
        return [Status(job.look() or (Phase.QUEUED if self.waits(job) else Phase.GONE)) for job in jobs]

    def waits(self, job):
        if job.id in self.started:
            return self.started[job.id].poll() is None
        return job.handle != "" and os.path.exists(f"/proc/{job.handle}")

    async def cancel(self, jobs):
        for runner in [job.forbid() for job in jobs]:  # from now on nobody can begin them
            with suppress(ProcessLookupError):
                _ = runner and os.kill(runner, signal.SIGTERM)

    async def clean(self, jobs):
        for job in jobs:
            if job.id in self.started:
                self.started.pop(job.id).wait()
