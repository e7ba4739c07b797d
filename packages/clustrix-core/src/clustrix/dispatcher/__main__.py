"""``python -m clustrix.dispatcher STATE_DIRECTORY NAME [STARTING]``: the dispatcher in the foreground.

STARTING is a descriptor with a lock that keeps others from starting one meanwhile: of many clients that wait, one does.
"""

from __future__ import annotations

import asyncio
import fcntl
import logging
import os
import signal
import sys

from clustrix.dispatcher.instance import Instance, wait_for_lock
from clustrix.dispatcher.service import IDLE_SECONDS, Dispatcher
from clustrix.journal import Place
from clustrix.runner import bounds
from clustrix.runner.faults import point

_LARGEST_LOG_BYTES = 4 << 20
_START_SECONDS = 10.0
_IDLE = "CLUSTRIX_DISPATCHER_IDLE_SECONDS"


def main() -> int:
    """Serve, unless another dispatcher does already."""
    root, name = sys.argv[1:3]
    instance = Instance(Place(root), name)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    bounds.loosen()
    lock = wait_for_lock(instance, _START_SECONDS)
    for starting in map(int, sys.argv[3:]):
        fcntl.flock(starting, fcntl.LOCK_UN)
        os.close(starting)
    if lock is None:
        return 0
    if os.path.exists(instance.log) and os.path.getsize(instance.log) > _LARGEST_LOG_BYTES:
        point("dispatcher.rotate-log")
        os.replace(instance.log, instance.log + ".old")
    log = os.open(instance.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.close(log)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    asyncio.run(_serve(instance, lock))
    return 0


async def _serve(instance: Instance, lock: int) -> None:
    dispatcher = Dispatcher(instance, lock, _idle_seconds())
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, dispatcher.leave)
    await dispatcher.run()


def _idle_seconds() -> float:
    text = os.environ.get(_IDLE, "")
    try:
        seconds = float(text or IDLE_SECONDS)
    except ValueError:
        seconds = -1.0
    if seconds >= 0.0:
        return seconds
    logging.error("%s=%r is not a number of seconds; it stays for %g s", _IDLE, text, IDLE_SECONDS)
    return IDLE_SECONDS


if __name__ == "__main__":
    sys.exit(main())
