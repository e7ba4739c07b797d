"""Real services for tests and for people: sshd and Slurm, from Debian's packages, without systemd, for an unprivileged user.

Each is a class that starts and ends it; ``tests.testbed.fixtures`` has them as pytest fixtures, ``python -m tests.testbed up slurm`` for people.
"""
