"""Reads untrusted YAML safely: no tags, no anchors, limited depth. Knows no keys."""

from __future__ import annotations

from typing import Any


def parse_yaml(block: bytes, deepest: int) -> Any:
    """The value: plain lists, mappings and scalars, nested at most `deepest` levels, no key twice. Raises ValueError
    with the fault and its line."""
    import yaml

    depth = 0
    keys = _Keys()
    try:
        text = block.decode("utf-8")
        # Events are read one by one, so that a YAML bomb is recognised before it grows.
        for event in yaml.parse(text, Loader=yaml.CSafeLoader):
            if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
                raise ValueError("anchors and aliases are not allowed")
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if depth > deepest:
                raise ValueError("it is nested too deeply")
            keys.read(event)
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


class _Keys:
    """The keys of the mappings that are open while events are read."""

    def __init__(self) -> None:
        self._open: list[set[str] | None] = []  # the keys so far of each open mapping, None for a list
        self._is_key = [False]  # whether the next value of each is a key

    def read(self, event: Any) -> None:
        """Raises ValueError for a key that its mapping has already, with its line."""
        import yaml

        if isinstance(event, yaml.CollectionEndEvent):
            self._open.pop()
            self._is_key.pop()
            return
        if not isinstance(event, yaml.NodeEvent):
            return
        if self._is_key[-1] and isinstance(event, yaml.ScalarEvent):
            keys = self._open[-1]
            if keys is not None and event.value in keys:
                raise ValueError(f"the key {event.value!r} in line {event.start_mark.line + 1} is there already")
            if keys is not None:
                keys.add(event.value)
        if self._open and self._open[-1] is not None:
            self._is_key[-1] = not self._is_key[-1]
        if isinstance(event, yaml.CollectionStartEvent):
            is_mapping = isinstance(event, yaml.MappingStartEvent)
            self._open.append(set() if is_mapping else None)
            self._is_key.append(is_mapping)
