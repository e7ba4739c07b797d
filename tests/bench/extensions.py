"""Finding plugins: twenty of them, once."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from clustrix import plugins
from tests.bench.row import Row, seconds
from tests.core.plugins.installing import write_plugin

_PLUGINS = 20
_CODE = """
from clustrix.plugins import hookimpl
HOOK_API = 1
@hookimpl
def clustrix_register(registry):
    registry.backend("place{number}", "nothing:Here", title="A place")
"""


def find_plugins() -> list[Row]:
    folder = Path(tempfile.mkdtemp())
    for number in range(_PLUGINS):
        write_plugin(folder, f"plugin{number}", _CODE.format(number=number))
    sys.path.insert(0, str(folder))
    first = seconds(plugins.backend_names) * 1e3
    again = seconds(plugins.backend_names) * 1e3
    assert len(plugins.backend_names()) == 1 + _PLUGINS
    return [
        Row(f"finding {_PLUGINS} plugins, once", first, "ms", 30),
        Row("  asking again", again, "ms", 0.1),
    ]
