"""``%load_ext clustrix``: the magics and their completion.  Light: what they do is imported when they are called."""

from __future__ import annotations

from typing import Any


class Extension:
    """What clustrix asks of a plugin that brings magics."""

    @staticmethod
    def load(shell: Any) -> None:
        """Add them to the shell."""

        def clustrix(line: str) -> Any:
            """Settings, jobs and the commands of the shell: ``%clustrix help`` lists them."""
            from clustrix_notebook.lines.magic import run

            return run(shell, line)

        def cluster(line: str, cell: str) -> Any:
            """Run the cell as a job: ``%%cluster --help`` tells how."""
            from clustrix_notebook.cells.magic import run

            return run(shell, line, cell)

        Extension.unload(shell)
        shell.register_magic_function(clustrix, "line", "clustrix")
        shell.register_magic_function(cluster, "cell", "cluster")
        shell.Completer.custom_matchers.append(_complete)
        shell.input_transformers_cleanup.insert(0, _with_a_body)

    @staticmethod
    def unload(shell: Any) -> None:
        """Take them away again."""
        magics = shell.magics_manager.magics
        magics["line"].pop("clustrix", None)
        magics["cell"].pop("cluster", None)
        for added, among in (
            (_complete, shell.Completer.custom_matchers),
            (_with_a_body, shell.input_transformers_cleanup),
        ):
            if added in among:
                among.remove(added)


def _with_a_body(lines: list[str]) -> list[str]:
    """``%%cluster --help`` alone in a cell: without a line below, IPython would refuse it."""
    if len(lines) == 1 and lines[0].startswith("%%cluster"):
        return [lines[0].rstrip("\n") + "\n", "\n"]
    return lines


# IPython asks whether a cell is complete by such transformers, too; with a line below, every one would be.
_with_a_body.has_side_effects = True  # type: ignore[attr-defined]


def _complete(context: Any) -> Any:
    """On the lines of the magics, in place of all else that IPython would offer."""
    line = context.full_text.split("\n")[context.cursor_line][: context.cursor_position]
    if not line.lstrip().startswith(("%clustrix ", "%%cluster ")):
        return {"completions": []}
    from clustrix_notebook.lines.completing import completions

    return completions(line.lstrip())


_complete.matcher_api_version = 2  # type: ignore[attr-defined]  # how IPython knows what it takes and gives
_complete.matcher_identifier = "clustrix"  # type: ignore[attr-defined]
