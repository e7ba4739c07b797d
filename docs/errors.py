"""Writes reference/errors.md from the errors' docstrings and the cures below: ``hatch run docs:errors``.  A test fails when the page is stale."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

from clustrix import errors
from clustrix.errors import ClustrixError

PAGE = Path(__file__).parent / "reference" / "errors.md"

CURES = {
    "ClustrixError": "Catch it to handle whatever clustrix has to say. Exceptions of your own functions are not below it.",
    "ConfigError": "Use a value that the message allows; it has an example. Nothing was changed or submitted.",
    "UnknownOption": "Take the name that the message offers, or look it up in [](fields.md). For a setting of another package, install that package.",
    "UnknownBackend": "Install the package that brings the place; the message names it if it is known. Look whether `CLUSTRIX_DISABLE_PLUGINS` names it.",
    "KeyTaken": "Give each piece of work its own key.",
    "UnknownProfile": "Choose one of those that `clustrix config profiles` lists, or write it into a file.",
    "ConfigFileError": "Mend the file at the line that is named; `clustrix config validate` shows all problems at once.",
    "ConfigFileUnsafe": "Give the file to yourself and take the right to write from others: the message has the `chmod`. If you trust it as it is, name it in `CLUSTRIX_PROJECT_FILE`.",
    "SecretUnavailable": "Set the environment variable, a command or the keyring, as the message says: see [](../how-to/configuration.md).",
    "ResourcesUnavailable": "Ask for less, or leave `local_strict` off: then the job runs with what there is.",
    "PluginError": "Update or repair the distribution that is named, or leave it out with `CLUSTRIX_DISABLE_PLUGINS`.",
    "PluginConflict": "Uninstall one of the two, or name it in `CLUSTRIX_DISABLE_PLUGINS`.",
    "BundleError": "Do not pass, or refer to, the part that the path leads to: open files, locks and connections inside of the function instead. Nothing was submitted.",
    "JournalError": "See the message, which has the path and the next step.",
    "JournalUnusable": "Make the state directory writable, or set `XDG_STATE_HOME` to one that is.",
    "JournalFull": "Free some space, or set `XDG_STATE_HOME` to a disk with room. What was submitted before is intact.",
    "JournalDamaged": "Put `journal.db` aside, or set `XDG_STATE_HOME` elsewhere, and submit again.",
    "JournalTooNew": "Use the newer clustrix that has written it, or another `XDG_STATE_HOME` for this one.",
    "WaitsForItself": 'Put the call under `if __name__ == "__main__":`, or leave out `reuse` and `key` for a function that calls itself.',
    "NestedTooDeep": 'Put the calls that a module makes when it is imported under `if __name__ == "__main__":`, or end a recursion of jobs.',
    "DispatcherError": "The message has the reason and the log of the process. What was submitted stays in the journal, and is moved on by the next that can be started. Where background processes are forbidden: `CLUSTRIX_DISPATCHER=inline`.",
    "BackendError": "For authors of backends: raised by a backend, shown as a job's reason.",
    "HostUnreachable": "For authors of backends. Users see it as the reason why a job waits; it is asked again, and nothing is to be done unless it lasts.",
    "SubmissionRefused": "For authors of backends. The job fails with the text that the place gave: ask for something that it has.",
    "UnknownJob": "Compare the id with those of `clustrix.jobs()`. The journal that was searched is named: another `XDG_STATE_HOME` has other jobs.",
    "ProgramFailed": "Read the end of its stderr, which the message has; `clustrix logs` has all of it. `clustrix retry` runs it again.",
    "JobError": "Catch it to handle every job without a result; `error.advice` says what to do.",
    "RemoteError": "Read `type_name`, `message` and `traceback_text`. To have the exception itself, define its class where both sides can import it, with arguments that can be pickled.",
    "ResultError": "See the classes below it.",
    "ResultUnpicklable": "Return plain data, or write a file and return its path. The function has been run.",
    "ResultDamaged": "Submit the job again; look at the disk, since what was read is not what was written.",
    "ResultNotStored": "Make room where the state directory is, and submit again. The function has been run.",
    "JobNotStarted": "Repair what the cause names (a module, the working directory) and submit again. The function was not called.",
    "JobExited": "Return a value or raise an exception instead of `sys.exit` or `os._exit`. `code` is what was given.",
    "JobInterrupted": "Look who sent SIGINT, if it was not the function itself. Submit again.",
    "JobCrashed": "Mostly a compiled library: set `PYTHONFAULTHANDLER=1` where you submit, or call `f.local(...)`, to see where.",
    "JobKilled": "`dmesg` tells if it was the system's out-of-memory killer: set `memory`, and run fewer at a time. `retries=1` has it tried again.",
    "TimeLimitExceeded": "Allow more: `@cluster(time=...)`.",
    "MemoryLimitExceeded": "Ask for more: `@cluster(memory=...)`, or let `retry_memory` do it.",
    "JobCancelled": 'Nothing, if it was you. Items of a map with `on_error="stop"` that were not begun have it too: `retry_failed()` runs them.',
    "JobLost": "Look whether what the job writes is there, and submit it again if not: it may have been run.",
}
"""What to do, for each class."""

_HEAD = """\
<!-- Written by docs/errors.py from the docstrings in clustrix.errors and the cures in that file: `hatch run docs:errors`. -->

# Errors

All of them are in `clustrix.errors`. What they look like, with examples: [](../how-to/errors.md). An exception that your own function raises
is none of these: it comes back with its own type.

"""


def page() -> str:
    """The text of the page."""
    tree = (errors.__doc__ or "").partition("::\n\n")[2].rpartition("\n\nAn exception")[0]
    parts = [_HEAD, "```text\n", inspect.cleandoc(tree), "\n```\n"]
    for cls in classes():
        also = [
            base for base in cls.__bases__ if not issubclass(base, ClustrixError) and base is not Exception
        ]
        parts.append(f"\n## {cls.__name__}\n\n")
        parts.append(_markdown(inspect.getdoc(cls) or "") + "\n")
        if also:
            parts.append(f"\nAlso a `{also[0].__module__}.{also[0].__name__}`.\n".replace("builtins.", ""))
        parts.append(f"\n**What to do.** {CURES[cls.__name__]}\n")
    return "".join(parts)


def classes() -> list[type[ClustrixError]]:
    """All public ones, in the order of the tree in the docstring, which a test holds complete."""
    names = re.findall(r"^    (?:[│ ]   )*(?:[├└]── )?(\w+)", (errors.__doc__ or ""), re.MULTILINE)
    return [getattr(errors, name) for name in names]


def _markdown(docstring: str) -> str:
    return re.sub(r"``(.+?)``", r"`\1`", docstring)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
