"""``python -m clustrix.runner FOLDER``: run the job whose folder it is, once, to its end."""

import sys

from clustrix.runner.standalone import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
