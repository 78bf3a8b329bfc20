"""A process that ends when whoever started it is gone, however that happened: its standard input, a pipe from there,
closes."""

from __future__ import annotations

import os
import sys
import threading


def end_with_parent() -> None:
    threading.Thread(target=_watch, daemon=True).start()


def _watch() -> None:
    try:
        while os.read(sys.stdin.fileno(), 4096):
            pass
    finally:
        os._exit(1)
