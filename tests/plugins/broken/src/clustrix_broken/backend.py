"""The nohup backend with one flaw each.  The class's name is the flaw."""

import os
import signal
import subprocess
import time
from contextlib import suppress

from clustrix_nohup.backend import Nohup

from clustrix.backends import Phase, Receipt, Status


class RunsTwice(Nohup):
    def start(self, job):
        with suppress(FileNotFoundError):
            os.rename(job.file("claim"), job.file("old-claim"))
            os.rename(job.file("order"), job.file("old-order"))
        return super().start(job)


class MixesUpAnswers(Nohup):
    async def poll(self, jobs):
        return await super().poll(sorted(jobs, key=lambda job: job.id))


class FailsOnEmptyBatches(Nohup):
    async def poll(self, jobs):
        jobs[0].look()
        return await super().poll(jobs)


class IgnoresCancellation(Nohup):
    async def cancel(self, jobs):
        pass


class CancelsEverything(Nohup):
    async def cancel(self, jobs):
        for process in self.started.values():
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
        await super().cancel(jobs)


class KillsWithoutWarning(Nohup):
    async def cancel(self, jobs):
        for runner in [job.forbid() for job in jobs]:
            with suppress(ProcessLookupError):
                _ = runner and os.kill(runner, signal.SIGKILL)


class IsDoneTooEarly(Nohup):
    async def poll(self, jobs):
        found = await super().poll(jobs)
        return [Status(Phase.DONE) if status.phase is Phase.RUNNING else status for status in found]


class TrustsNames(Nohup):
    def start(self, job):
        subprocess.run(f"echo {job.name} > /dev/null", shell=True, stderr=subprocess.DEVNULL)
        return super().start(job)


class LosesVariables(Nohup):
    def start(self, job):
        job.prepare()
        if job.look() is None:
            with open(job.file("environ"), "w") as file:
                file.write(f"{job.id}\n{{}}")
        return super().start(job)


class ShowsSecrets(Nohup):
    def start(self, job):
        variables = [f"{name}={value}" for name, value in job.read().environ.items() if "SECRET" in name]
        handle = super().start(job)
        if variables:
            code = "import time; time.sleep(5)"
            self.shown = subprocess.Popen(["env", *variables, "python3", "-c", code, *variables])
        return handle


class LeavesFiles(Nohup):
    def start(self, job):
        (self.host.folder / job.id).touch()
        return super().start(job)


class ForgetsOnRestart(Nohup):
    async def adopt(self, jobs):
        return [Receipt() for _ in jobs]

    async def poll(self, jobs):
        found = await super().poll(jobs)
        return [
            status if job.id in self.started else Status(Phase.GONE)
            for job, status in zip(jobs, found, strict=True)
        ]


class KillsOnLeaving(Nohup):
    async def close(self):
        for process in self.started.values():
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
        time.sleep(0.3)  # until all are dead


class BringsHalves(Nohup):
    async def fetch(self, jobs):
        for job in jobs:
            if not os.path.exists(job.file("result")) and os.path.exists(job.folder):
                with open(job.file("result"), "wb") as file:
                    file.write(b"half")


class BelievesInClocks(Nohup):
    async def poll(self, jobs):
        found = await super().poll(jobs)
        return [
            Status(Phase.QUEUED) if job.record.created > time.time() + 60 else status
            for job, status in zip(jobs, found, strict=True)
        ]


class KnowsEverybody(Nohup):
    async def poll(self, jobs):
        found = await super().poll(jobs)
        return [Status(Phase.QUEUED) if status.phase is Phase.GONE else status for status in found]


class RefusesWhatItKnows(Nohup):
    async def submit(self, jobs):
        known = [job for job in jobs if job.id in self.started]
        return [Receipt(refused="it is here already")] * len(known) or await super().submit(jobs)


class TakesSilenceForAnEnd(Nohup):
    async def poll(self, jobs):
        if (self.host.folder / "cut").exists():
            return [Status(Phase.GONE)] * len(jobs)
        return await super().poll(jobs)
