"""Where a job's Python begins: this folder first on its path while clustrix is imported, then the last.

``python start.py WHAT ...``; see ``clustrix_ssh.far.job`` and ``clustrix_ssh.far.keeper``.  It is copied to the top of what is sent.
"""

import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))


def main(argv: "list[str]") -> int:
    """Returns the exit code."""
    what, rest = argv[0], argv[1:]
    if what == "keeper":
        from clustrix_ssh.far import keeper

        _step_back()
        return keeper.main(*rest)
    if what == "conclude":
        from clustrix_ssh.far import conclude

        return conclude.main(rest[0])
    from clustrix_ssh.far import job, surroundings

    _step_back()
    if what == "job":
        return job.run(rest[0])
    index = surroundings.index(rest[1], int(rest[2]))
    if what == "array":
        with open(rest[0], encoding="utf-8") as file:
            return job.run(file.read().splitlines()[index])
    assert what == "element", what
    return job.run(rest[0], index + int(rest[3]))


def _step_back() -> None:
    """The user's own packages go before those that clustrix has brought along."""
    sys.path[:] = [entry for entry in sys.path if os.path.abspath(entry) != HERE] + [HERE]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
