"""Every law of credit through time on streams whose answer lies in the past: python -m hlcore.arena"""

from .studies.credit_arena import main

if __name__ == "__main__":
    raise SystemExit(main())
