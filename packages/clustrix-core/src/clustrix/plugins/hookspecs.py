"""The hooks that clustrix calls.  The documentation of plugins is made from these docstrings."""

from __future__ import annotations

import pluggy

from clustrix.plugins.registry import Registry

PROJECT = "clustrix"
hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)
"""Marks a plugin's implementation of a hook."""


@hookspec
def clustrix_register(registry: Registry) -> None:
    """Say what the plugin has.  Called once in each process that asks for plugins, in no order that can be relied on.

    It has to be quick, a millisecond or so: name targets, import nothing heavy, read no files, open no connections.
    What it raises keeps the plugin out, and nothing else; ``clustrix plugins`` shows it.
    """
