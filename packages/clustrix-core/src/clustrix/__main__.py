"""``python -m clustrix``: the command ``clustrix``, also where no scripts are installed."""

from clustrix.cli import main

if __name__ == "__main__":  # multiprocessing imports it in the children of a job of `clustrix run`
    main()
