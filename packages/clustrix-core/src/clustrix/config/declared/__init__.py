"""The core's own fields, each declared once, in a module for each group.

From a declaration come its check, ``configure()``, files, environment variables, ``clustrix config``, forms and the tables of the documentation.
"""

from __future__ import annotations

from clustrix.config.declared.failures import FAILURES
from clustrix.config.declared.jobs import JOBS, PROFILE
from clustrix.config.declared.place import PLACE
from clustrix.config.declared.session import SESSION

CORE = (*PLACE, *JOBS, *SESSION, *FAILURES, *PROFILE)

__all__ = ["CORE"]
