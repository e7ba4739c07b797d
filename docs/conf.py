"""Sphinx configuration. Build with `hatch run docs:build`."""

from __future__ import annotations

from importlib.metadata import version as installed_version

project = "clustrix"
author = "The clustrix developers"
project_copyright = "2026, The clustrix developers"
release = version = installed_version("clustrix")

extensions = ["myst_parser", "sphinx.ext.autodoc"]
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = "clustrix"

myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 3

autodoc_member_order = "bysource"  # files read downwards, in the order of a call
autodoc_typehints = "signature"
autodoc_class_signature = "separated"
