"""The switches of public chat templates that turn thinking on and off. Knows names and values, no rows."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from typing import Any

Switches = tuple[tuple[str, Any], ...]
"""Variables for a chat template, by name."""

_ON_OFF = {
    "enable_thinking": (True, False),
    "thinking": (True, False),
    "open_thinking": (True, False),
    "enable_reasoning": (True, False),
    "reasoning": (True, False),
}
"""Values that think, and that do not. The first two are given to every chat template."""
_ALWAYS = ("enable_thinking", "thinking")
_KEEPS = {"preserve_thinking": True, "clear_thinking": False, "truncate_history_thinking": False}
"""Values that keep the reasoning of a turn that is over."""
_EFFORTS = ("high", "medium", "low")


def thinking_switches(names: Collection[str]) -> Iterator[Switches]:
    """Switches that think, the plainest first. names: the variables that the chat template reads."""
    on = [(name, values[0]) for name, values in _ON_OFF.items() if name in names or name in _ALWAYS]
    keeps = [(name, value) for name, value in _KEEPS.items() if name in names]
    yield tuple(on)
    if keeps:
        yield (*on, *keeps)
    if "reasoning_effort" in names:
        for effort in _EFFORTS:
            yield (*on, *keeps, ("reasoning_effort", effort))
    yield ()


def plain_switches(names: Collection[str], program: str) -> Iterator[Switches]:
    """Switches that do not think, the most decided first. program: the chat template's text."""
    off = [(name, values[1]) for name, values in _ON_OFF.items() if name in names or name in _ALWAYS]
    extra: list[tuple[str, Any]] = []
    if "reasoning_effort" in names and re.search(r"""['"]none['"]""", program):
        extra.append(("reasoning_effort", "none"))
    if "thinking_budget" in names:
        extra.append(("thinking_budget", 0))
    if extra:
        yield (*off, *extra)
    yield tuple(off)
    yield ()


def switch_words(switches: Switches, names: Collection[str]) -> str:
    """`enable_thinking=True` for the switches that the chat template reads; empty for none."""
    return ", ".join(f"{name}={value}" for name, value in switches if name in names)
