"""`python -m serai module:app` is `serai serve module:app`."""

import sys

from serai.cli import main_of_module

if __name__ == "__main__":
    sys.exit(main_of_module(sys.argv[1:]))
