"""What may come next on the line of a magic."""

from __future__ import annotations

from typing import Any


def completions(line: str) -> dict[str, Any]:
    """For IPython: what may stand where the line ends, in place of its last word or of what follows an equals sign."""
    from IPython.core.completer import SimpleCompletion

    found = of_cluster(line) if line.startswith("%%") else of_clustrix(line)
    word = "" if line[-1:].isspace() else line.split()[-1]
    fragment = word.rpartition("=")[2]
    fits = [SimpleCompletion(text=one, type="param") for one in found if one.startswith(fragment)]
    return {"completions": fits, "matched_fragment": fragment, "suppress": True}


def of_cluster(line: str) -> list[str]:
    """After ``%%cluster``: options, profiles; after an equals sign, values."""
    words = _words(line)
    name, equals, _ = words[-1].partition("=")
    if equals:
        return _values(name)
    if len(words) > 1 and words[-2] in ("-o", "--output"):
        return []
    from clustrix_notebook.cells.order import names_of_options

    return [
        *(f"{option}=" for option in names_of_options()),
        *_profiles(),
        "-o",
        "--output",
        "--async",
        "--help",
    ]


def _words(line: str) -> list[str]:
    """All after the magic; the last one is empty if it is yet to begin."""
    words = line.split()[1:]
    return [*words, ""] if line[-1:].isspace() or not words else words


def of_clustrix(line: str) -> list[str]:
    """After ``%clustrix``: its words; after ``use``, profiles; after a command, states, and jobs."""
    words = _words(line)
    from clustrix_notebook.lines.magic import words_of

    if len(words) < 2:
        return words_of()
    if words[0] == "use":
        return [*_profiles(), "none"]
    if words[0] == "jobs":
        return (
            _states()
            if words[-2] == "--state"
            else ["--state", "--name", "--tag", "--since", "--until", "--limit", "--all"]
        )
    return _of_command(words)


def _values(name: str) -> list[str]:
    from clustrix import plugins
    from clustrix.config import fields, kinds

    field = fields.OPTIONS.get(name) or fields._plugin_option(name)
    if field is None:
        return []
    if field.name == "profile":
        return _profiles()
    if field.name == "cluster_type":
        return sorted({"local", *(entry.name for entry in plugins.entries("backend"))})
    if field.kind is kinds.FLAG:
        return ["True", "False"]
    return list(field.choices)


def _profiles() -> list[str]:
    from clustrix.config.store import process
    from clustrix.errors import ConfigError

    try:
        return sorted(process.profiles())
    except ConfigError:  # a file has something wrong; whoever runs the line is told
        return []


def _states() -> list[str]:
    from clustrix.journal.records import JobState

    return [state.value for state in JobState]


def _of_command(words: list[str]) -> list[str]:
    """As the shell would complete it."""
    from click.shell_completion import ShellComplete

    from clustrix.cli.commands import clustrix

    complete = ShellComplete(clustrix, {}, "clustrix", "_CLUSTRIX_COMPLETE")
    return [item.value for item in complete.get_completions(words[:-1], words[-1])]
