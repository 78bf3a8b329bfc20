"""`python -m core ...`: the command line, which does without a screen what every screen does."""

from core.cli import main

if __name__ == "__main__":
    main()
