"""The signal school by its first name, and as one command, python -m hlcore.school; it lives in hlcore.studies."""

import sys

from .studies.signal_school import *  # noqa: F403
from .studies.signal_school.__main__ import main

if __name__ == "__main__":
    sys.exit(main())
