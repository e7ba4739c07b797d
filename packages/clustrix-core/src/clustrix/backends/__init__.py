"""The places that run jobs.  A backend's author imports from here."""

from clustrix.backends.interface import Backend, Host
from clustrix.backends.values import JobSpec, Phase, Question, Receipt, Status
from clustrix.errors import HostUnreachable, SubmissionRefused

__all__ = [
    "Backend",
    "Host",
    "HostUnreachable",
    "JobSpec",
    "Phase",
    "Question",
    "Receipt",
    "Status",
    "SubmissionRefused",
]
