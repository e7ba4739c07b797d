"""The settings of this package, each declared once, in a module for each group."""

from __future__ import annotations

from clustrix_ssh.fields.environment import ENVIRONMENT_FIELDS
from clustrix_ssh.fields.place import PLACE_FIELDS
from clustrix_ssh.fields.scheduler import SCHEDULER_FIELDS

JOB_FIELDS = (*ENVIRONMENT_FIELDS, *SCHEDULER_FIELDS)
"""What a job needs there."""

__all__ = ["JOB_FIELDS", "PLACE_FIELDS"]
