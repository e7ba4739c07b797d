"""Sphinx configuration. Build with `hatch run docs:build`."""

from __future__ import annotations

from importlib.metadata import version as installed_version
from typing import Any

project = "clustrix"
author = "The clustrix developers"
project_copyright = "2026, The clustrix developers"
release = version = installed_version("clustrix")

extensions = ["myst_nb", "sphinx.ext.autodoc"]  # the first reads Markdown as well
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = "clustrix"

myst_enable_extensions = ["attrs_inline", "colon_fence"]  # the first gives pictures a width
myst_heading_anchors = 3

nb_execution_mode = (
    "off"  # the notebook has its outputs; `hatch run docs:notebook` makes them, and a test runs it
)
# Widgets are shown by the plain pictures beside them: their own script would come from elsewhere.
nb_mime_priority_overrides = [("html", "application/vnd.jupyter.widget-view+json", None)]
nb_ipywidgets_js = {}

autodoc_member_order = "bysource"  # files read downwards, in the order of a call
autodoc_typehints = "signature"
autodoc_class_signature = "separated"


def setup(app: Any) -> None:
    """Leave out what Python has made by itself: constructors without a docstring, and "Alias for field number 3"."""
    app.connect("autodoc-skip-member", _is_made)
    app.connect("autodoc-process-docstring", _say_nothing_of_aliases)


def _is_made(app: Any, what: str, name: str, member: Any, skip: bool, options: Any) -> bool | None:
    own = getattr(member, "__doc__", None) or ""
    made = name == "__new__" or (name == "__init__" and own in ("", object.__init__.__doc__))
    return True if made else None


def _say_nothing_of_aliases(
    app: Any, what: str, name: str, member: Any, options: Any, lines: list[str]
) -> None:
    if lines and lines[0].startswith("Alias for field number"):
        lines.clear()
