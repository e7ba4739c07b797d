"""Named points at which a test can have the agent killed: ``clustrix.runner.faults`` for who travels alone."""

import os
import signal


def point(name):
    """``CLUSTRIX_FAULT="point@/some/flag,..."``: die when it is passed and the flag can be made, which is once."""
    for order in os.environ.get("CLUSTRIX_FAULT", "").split(","):
        where, _, flag = order.partition("@")
        if where != name or not flag:
            continue
        try:
            os.close(os.open(flag, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        except FileExistsError:
            continue
        os.kill(os.getpid(), signal.SIGKILL)
