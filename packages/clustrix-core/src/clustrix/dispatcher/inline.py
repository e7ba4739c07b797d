"""``CLUSTRIX_DISPATCHER=inline``: the dispatcher in a thread of the submitter, for those who want no background process."""

from __future__ import annotations

import atexit
import os
import threading
from collections.abc import Callable
from contextlib import suppress

from clustrix.dispatcher.instance import Instance
from clustrix.errors import ConfigError

_READY_SECONDS = 15.0


def is_inline() -> bool:
    """Whether the user wants no background process."""
    value = os.environ.get("CLUSTRIX_DISPATCHER", "")
    if value not in ("", "inline"):
        raise ConfigError(
            "CLUSTRIX_DISPATCHER", value, 'may be "inline", or not set', "CLUSTRIX_DISPATCHER=inline"
        )
    return value == "inline"


def start_inline(instance: Instance) -> None:
    """Run the dispatcher in a thread of this process, unless one runs already somewhere."""
    import asyncio

    from clustrix.dispatcher.instance import wait_for_lock
    from clustrix.dispatcher.service import Dispatcher

    ready = threading.Event()
    stop: list[Callable[[], object]] = []

    async def serve(lock: int) -> None:
        loop = asyncio.get_running_loop()
        dispatcher = Dispatcher(instance, lock, successor=[])
        stop.append(lambda: loop.call_soon_threadsafe(dispatcher.leave))
        loop.call_soon(ready.set)
        await dispatcher.run()

    def run() -> None:
        try:
            lock = wait_for_lock(instance, 0.0)
            if lock is not None:
                with suppress(RuntimeError):  # the interpreter is shutting down
                    asyncio.run(serve(lock))
        finally:
            ready.set()

    thread = threading.Thread(target=run, name="clustrix-dispatcher", daemon=True)
    thread.start()
    ready.wait(_READY_SECONDS)

    def leave() -> None:
        for step in stop:
            with suppress(RuntimeError):  # its loop has ended before
                step()
        thread.join(5.0)

    atexit.register(leave)
