"""From the text of a cell to code that a job can run, with the line numbers that the user sees."""

from __future__ import annotations

import ast
import io
import tokenize
import types
from typing import Any, NamedTuple

from clustrix_notebook.cells.failing import CellError
from clustrix_notebook.cells.far.running import LAST, SHELL
from clustrix_notebook.cells.reading import FLAGS, assigned_by, read_by

_FUTURE_FLAGS = 0x1FF0000
"""All that ``from __future__ import`` may set: it holds in the cells that follow, too."""
_NOTHING = frozenset({tokenize.NEWLINE, tokenize.NL, tokenize.COMMENT, tokenize.ENDMARKER, tokenize.DEDENT})


class Source(NamedTuple):
    """A cell that has been understood."""

    code: types.CodeType
    filename: str
    text: str
    """With the numbers of lines that the user sees."""
    reads: frozenset[str]
    assigned: tuple[str, ...]
    submodules: tuple[str, ...]
    title: str
    """Its first line of code; empty if there is none."""


def understand(shell: Any, body: str) -> Source:
    """Raises SyntaxError with the cell's own lines, CellError for what only a notebook can do."""
    # IPython shows lines of a traceback only if the whole is Python.
    above = "".join(f"# {line}\n" for line in _above(shell, body))
    text = above + _as_python(shell, body)
    filename = shell.compile.cache(text, number_of(shell), raw_code=text)
    flags = FLAGS | (shell.compile.flags & _FUTURE_FLAGS)
    tree = compile(text, filename, "exec", flags=flags | ast.PyCF_ONLY_AST, dont_inherit=True)
    compile(
        tree, filename, "exec", flags=flags, dont_inherit=True
    )  # what cannot be is told of the cell, not of a part
    tree = _ShellLines().visit(tree)
    reads, title = read_by(tree) | _in_commands(tree), _title(tree, text)
    assigned = tuple(sorted(assigned_by(tree)))
    if tree.body and isinstance(tree.body[-1], ast.Expr) and not _is_silenced(text):
        last = tree.body[-1]
        target = ast.copy_location(ast.Name(LAST, ast.Store()), last)
        tree.body[-1] = ast.copy_location(ast.Assign([target], last.value), last)
    code = compile(tree, filename, "exec", flags=flags, dont_inherit=True)
    submodules = {
        alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.Import)
        for alias in node.names
        if "." in alias.name and alias.asname is None
    }
    return Source(code, filename, text, frozenset(reads), assigned, tuple(sorted(submodules)), title)


def number_of(shell: Any) -> int:
    """What the cell that runs now has in its prompt.  The count of executions is the next one's by now in some versions of IPython."""
    cells = shell.history_manager.input_hist_parsed
    return len(cells) - 1 if len(cells) > 1 else int(shell.execution_count)


def _above(shell: Any, body: str) -> list[str]:
    """The lines of the cell that stand above the body."""
    history = shell.history_manager.input_hist_raw if shell.history_manager is not None else [""]
    raw = history[-1].replace("\r\n", "\n") if history else ""
    at = raw.rstrip("\n").rfind(body.rstrip("\n")) if body.strip() else -1
    above = raw[:at].splitlines() if at > 0 else []
    return above if any("%%cluster" in line for line in above) else ["%%cluster"]


def _as_python(shell: Any, body: str) -> str:
    """With IPython's own syntax as calls of ``get_ipython()``, line by line."""
    lines = body.splitlines(keepends=True)
    empty = next((n for n, line in enumerate(lines) if line.strip()), len(lines))
    rest = "".join(lines[empty:])
    # IPython leaves empty lines at the top out.
    return "\n" * empty + str(shell.input_transformer_manager.transform_cell(rest) if rest else "")


class _ShellLines(ast.NodeTransformer):
    """Has ``!`` lines call what runs them in the job, and refuses what needs the notebook's IPython."""

    def visit_Call(self, node: ast.Call) -> ast.expr:
        self.generic_visit(node)
        function = node.func
        if not (
            isinstance(function, ast.Attribute)
            and isinstance(function.value, ast.Call)
            and isinstance(function.value.func, ast.Name)
            and function.value.func.id == "get_ipython"
        ):
            return node
        if function.attr in ("system", "getoutput"):
            function.value = ast.copy_location(ast.Name(SHELL, ast.Load()), function)
            return node
        if function.attr in ("run_line_magic", "run_cell_magic"):
            name = node.args[0].value if isinstance(node.args[0], ast.Constant) else ""
            if name == "matplotlib":  # figures are shown as they are by %matplotlib inline
                return ast.copy_location(ast.Constant(None), node)
            raise CellError(f"line {node.lineno}: {_instead(str(name), function.attr == 'run_cell_magic')}")
        return node


def _instead(name: str, of_cell: bool) -> str:
    if name.startswith("pinfo"):
        return "help with ? is the notebook's; ask for it in a cell without %%cluster"
    if of_cell:
        return f"%%{name} cannot be within a cell that runs as a job; write it above %%cluster, or take a cell of its own"
    if name in ("cd", "env", "set_env"):
        return f"%{name} is the notebook's, a job has none; use os.{'chdir' if name == 'cd' else 'environ'}"
    if name in ("pip", "conda", "mamba", "uv"):
        return f"%{name} installs where the notebook runs; in a job, write !{name} ..., or have it installed there"
    return f"%{name} is the notebook's, a job has none; take a cell without %%cluster for it"


def _in_commands(tree: ast.AST) -> set[str]:
    """Names in the ``{...}`` and ``$...`` of ``!`` lines."""
    import re

    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            base = node.func.value
            if isinstance(base, ast.Name) and base.id == SHELL and isinstance(node.args[0], ast.Constant):
                command = str(node.args[0].value)
                for part in re.findall(r"\{([^{}]+)\}|\$([A-Za-z_]\w*)", command):
                    found |= set(re.findall(r"[^\W\d]\w*", "".join(part)))
    return found


def _title(tree: ast.Module, text: str) -> str:
    lines = text.splitlines()
    first = next((node.lineno for node in tree.body if not isinstance(node, (ast.Import, ast.ImportFrom))), 0)
    first = first or next((node.lineno for node in tree.body), 0)
    return lines[first - 1].strip() if 0 < first <= len(lines) else ""


def _is_silenced(text: str) -> bool:
    """Whether it ends with a semicolon, as notebooks have it for a value that shall not be shown."""
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    kept = [token.string for token in tokens if token.type not in _NOTHING]
    return bool(kept) and kept[-1] == ";"
