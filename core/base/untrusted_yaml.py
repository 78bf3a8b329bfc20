"""Reads untrusted YAML safely: no tags, no anchors, limited depth. Knows no keys."""

from __future__ import annotations

from typing import Any


def parse_yaml(block: bytes, deepest: int) -> Any:
    """The value: plain lists, mappings and scalars, nested at most `deepest` levels. Raises ValueError with the fault
    and its line."""
    import yaml

    depth = 0
    try:
        text = block.decode("utf-8")
        # Events are read one by one, so that a YAML bomb is recognised before it grows.
        for event in yaml.parse(text, Loader=yaml.CSafeLoader):
            if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
                raise ValueError("anchors and aliases are not allowed")
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if depth > deepest:
                raise ValueError("it is nested too deeply")
    except UnicodeDecodeError as error:
        raise ValueError("it is not UTF-8 text") from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f" in line {mark.line + 1}" if mark is not None else ""
        raise ValueError(f"it is not YAML{line} ({getattr(error, 'problem', None) or 'unreadable'})") from error
    try:
        return yaml.load(text, Loader=yaml.CSafeLoader)
    except yaml.YAMLError as error:
        raise ValueError(f"it is not YAML ({getattr(error, 'problem', None) or 'unreadable'})") from error
    except (ValueError, TypeError) as error:  # a date of the 40th of May, a mapping as a key
        raise ValueError(f"a value in it cannot be read ({error})") from error
