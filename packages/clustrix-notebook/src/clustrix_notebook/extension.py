"""``%load_ext clustrix``: the magics and their completion.  Light: what they do is imported when they are called."""

from __future__ import annotations

from typing import Any

_KEYS = ("%clustrix", "%%cluster")


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
        shell.set_hook("complete_command", _complete_clustrix, str_key="%clustrix")
        shell.set_hook("complete_command", _complete_cluster, str_key="%%cluster")
        shell.input_transformers_cleanup.insert(0, _with_a_body)

    @staticmethod
    def unload(shell: Any) -> None:
        """Take them away again."""
        magics = shell.magics_manager.magics
        magics["line"].pop("clustrix", None)
        magics["cell"].pop("cluster", None)
        completers = shell.strdispatchers.get("complete_command")
        for key in _KEYS:
            if completers is not None:
                completers.strs.pop(key, None)
        if _with_a_body in shell.input_transformers_cleanup:
            shell.input_transformers_cleanup.remove(_with_a_body)


def _with_a_body(lines: list[str]) -> list[str]:
    """``%%cluster --help`` alone in a cell: without a line below, IPython would refuse it."""
    if len(lines) == 1 and lines[0].startswith("%%cluster"):
        return [lines[0].rstrip("\n") + "\n", "\n"]
    return lines


def _complete_clustrix(shell: Any, event: Any) -> list[str]:
    from clustrix_notebook.lines.completing import of_clustrix

    return of_clustrix(event.text_until_cursor)


def _complete_cluster(shell: Any, event: Any) -> list[str]:
    from clustrix_notebook.lines.completing import of_cluster

    return of_cluster(event.text_until_cursor)
