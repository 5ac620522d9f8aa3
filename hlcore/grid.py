"""The paper's experiments as one command, python -m hlcore.grid; they live in hlcore.studies.paper_grid."""

import sys

from .studies.paper_grid.__main__ import main

if __name__ == "__main__":
    sys.exit(main())
