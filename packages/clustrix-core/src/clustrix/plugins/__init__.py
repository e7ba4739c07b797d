"""What is installed beside the core: backends, fields, commands.  Found through entry points, on first use."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from clustrix.config.fields import Field


def fields() -> tuple[Field, ...]:
    """The fields that installed plugins have declared."""
    return ()


def backend_names() -> tuple[str, ...]:
    """The names that ``cluster_type`` may have."""
    return ("local",)
