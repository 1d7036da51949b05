"""`python -m serai module:app` is `serai serve module:app`."""

import os
import sys

if sys.path[:1] in (
    ["."],
    [""],
    [os.getcwd()],
):  # -m put it there: the master must not import the app's modules for ours
    del sys.path[0]

from serai.cli import main_of_module

if __name__ == "__main__":
    sys.exit(main_of_module(sys.argv[1:]))
