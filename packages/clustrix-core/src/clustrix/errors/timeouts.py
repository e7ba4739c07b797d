"""One error for what is not done in time, whichever ``TimeoutError`` somebody catches."""

from __future__ import annotations

import concurrent.futures
import sys

if sys.version_info >= (3, 11):
    NotDone = TimeoutError
else:  # there the futures have a TimeoutError of their own

    class NotDone(TimeoutError, concurrent.futures.TimeoutError):
        """The time is over, and the job goes on."""
