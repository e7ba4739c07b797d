"""Settings: what may be set, checked values, and what is set now.  Imports only ``errors``, and asks ``plugins`` for theirs."""

from clustrix.config.field import Field
from clustrix.config.fields import FIELDS, OPTIONS
from clustrix.config.quantities import CORES_HELP, parse_cores, parse_memory, parse_time
from clustrix.config.settings import (
    configure,
    get_config,
    load_config,
    merge_options,
    resolve,
    save_config,
    secret,
    stack_options,
)
from clustrix.runner.amounts import format_bytes

__all__ = [
    "CORES_HELP",
    "FIELDS",
    "OPTIONS",
    "Field",
    "configure",
    "format_bytes",
    "get_config",
    "load_config",
    "merge_options",
    "parse_cores",
    "parse_memory",
    "parse_time",
    "resolve",
    "save_config",
    "secret",
    "stack_options",
]
