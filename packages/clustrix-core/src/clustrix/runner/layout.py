"""Names of the files of a live job, below its own folder, and the exit codes of a runner."""

CLAIM = "claim"
OUTPUT = "out"
ERRORS = "err"
RESULT = "result"
ASIDE = "aside"
"""Where a call writes its result until it is whole."""
ORDER = "order"
PAYLOAD = "payload"
ENVIRON = "environ"
"""Of a job whose runner is a program of its own (``clustrix.runner.standalone``): what it is to do."""
EXIT_STATUS = "exit"
"""Written by the warm parent when a runner ended without a result: its wait status."""

WORKER = "worker-"
"""Followed by the number of a map's worker: the folder with its claim."""
MAP_CLAIMS = "claims"
MAP_MARKS = "marks"
MAP_RESULTS = "results-"
"""Followed by the number of the worker that wrote the file."""

MAP_STOPPED = "stopped"
"""Is there when an item has failed of a map that shall stop then: nothing more is begun."""

WINDOWS = "windows"
GIVEN = "given"
ELEMENTS = "elements"
"""Of a map that is worked on in several places: ranges of items, and folders with the claim of each place."""
ENDS = "ends"
"""How many items each of these places has finished, and how many of them failed, once it has ended."""

PROGRESS = "progress"
"""What a job tells of how far it is; of a map's worker, with its number."""

DISPLAY = "\x1b]7077;"
DISPLAY_END = "\x07"
"""Around what a job displays, where it stands among its output: JSON in base64, with ``data`` that maps types of content to contents.
It is a command to the terminal which none knows, and so all leave out."""

EX_SOFTWARE = 70
"""The runner itself failed."""
EX_CLAIMED = 75
"""Another process had the claim; nothing was run."""
EX_CANTCREAT = 73
"""The job's folder could not be made, as on a full disk; nothing was run."""
EX_STORE = 74
"""The result could not be written."""


def worker_folder(worker: int) -> str:
    return f"{WORKER}{worker}"


def worker_results(worker: int) -> str:
    return f"{MAP_RESULTS}{worker}"


def progress_of(worker: int | None) -> str:
    return PROGRESS if worker is None else f"{PROGRESS}-{worker}"
