"""What runs in jobs on the far side, beside the core's runner: it travels with it, and imports nothing else of clustrix."""

from __future__ import annotations
