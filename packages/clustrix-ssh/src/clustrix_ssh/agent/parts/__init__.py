"""The program that is sent to the far host, in pieces: ``clustrix_ssh.agent.source`` puts them together.

Python 3.6 or later, standard library only.  The order of the pieces is that of ``PARTS``; each may use what stands in those before it.
"""

PARTS = (
    "wire",
    "files",
    "filing",
    "programs",
    "once",
    "spawned",
    "pythons",
    "watching",
    "requests",
)
