"""The journal: every job and every change of its state, durable.  The truth on this side."""

from clustrix.journal.place import Place, state_place
from clustrix.journal.records import FINAL, REUSE, Change, JobRecord, JobState, NewJob, Outcome
from clustrix.journal.store import Journal

__all__ = [
    "FINAL",
    "REUSE",
    "Change",
    "JobRecord",
    "JobState",
    "Journal",
    "NewJob",
    "Outcome",
    "Place",
    "state_place",
]
