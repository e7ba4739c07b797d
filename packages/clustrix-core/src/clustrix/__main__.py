"""``python -m clustrix``: the command ``clustrix``, also where no scripts are installed."""

from clustrix.cli import main

main()
