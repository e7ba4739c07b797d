"""Settings: what may be set, checked values, and what is set now.  The ground floor: imports only ``errors``."""

from clustrix.config.fields import FIELDS, Field, checked, unknown
from clustrix.config.quantities import CORES_HELP, parse_cores, parse_memory, parse_time
from clustrix.config.settings import configure, current
from clustrix.runner.amounts import format_bytes

__all__ = [
    "CORES_HELP",
    "FIELDS",
    "Field",
    "checked",
    "configure",
    "current",
    "format_bytes",
    "parse_cores",
    "parse_memory",
    "parse_time",
    "unknown",
]
