"""The Python session in which a page's blocks run, as if somebody typed them: in ``__main__``, each result shown.

Started by ``tests.docs.page``; it reads one block a line from standard input, and answers with one line each on a descriptor.
"""

from __future__ import annotations

import ast
import json
import linecache
import os
import sys
import traceback


def serve(answers: int) -> None:
    """Until standard input ends."""
    os.set_inheritable(answers, False)
    blocks, sys.stdin = sys.stdin, open(os.devnull)  # noqa: SIM115 -- for as long as the session
    for line in blocks:
        failed = not _typed(**json.loads(line))
        sys.stdout.flush()
        sys.stderr.flush()
        os.write(answers, b"failed\n" if failed else b"ok\n")


def _typed(text: str, path: str, line: int) -> bool:
    """Run a block whose first line is that line of a file; False if it raises, with the traceback on standard error."""
    main = vars(sys.modules["__main__"])
    try:
        for node in ast.parse("\n" * (line - 1) + text, path).body:
            tree = ast.Interactive([node]) if isinstance(node, ast.Expr) else ast.Module([node], [])
            exec(compile(tree, path, "single" if isinstance(node, ast.Expr) else "exec"), main)  # noqa: S102
    except Exception as error:
        linecache.checkcache(path)
        here = error.__traceback__
        while here and here.tb_frame.f_code.co_filename == __file__:
            here = here.tb_next
        traceback.print_exception(type(error), error, here)
        return False
    return True
