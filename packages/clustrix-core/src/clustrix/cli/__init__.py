"""The command ``clustrix``.  This package stays light: jobs of the demo import it too; what shows things comes when it is called."""

from __future__ import annotations


def main() -> None:
    """What the console script calls."""
    from clustrix.cli.commands import clustrix

    clustrix(prog_name="clustrix")
