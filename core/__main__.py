"""`python -m core ...`: the headless twin of every screen."""

from core.cli import main

if __name__ == "__main__":
    main()
