"""The form for settings.  Nothing of it is imported before somebody wants to see it."""

from __future__ import annotations


def show_form() -> None:
    """Display the form: always the same one in a process, so that all of its views are in step."""
    from clustrix_notebook.widget.form import the_form

    the_form().show()


__all__ = ["show_form"]
