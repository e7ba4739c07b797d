"""Machines over SSH, and batch systems: what clustrix asks this plugin.  Light, since everybody pays for it."""

from __future__ import annotations

HOOK_API = 1
