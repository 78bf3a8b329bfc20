"""What is counted as not used, and the sentence about it."""

from __future__ import annotations

from core.data.not_used import OTHER_PARTS, NotUsed


def test_a_part_of_a_row_is_counted_once() -> None:
    not_used = NotUsed()
    not_used.add_parts(["turns after the answer", "turns after the answer"], 3)
    assert not_used.words() == "1 row has turns after the answer"


def test_kinds_of_parts_are_limited() -> None:
    not_used = NotUsed()
    for row in range(1, 61):
        not_used.add_parts([f"x{row} in its turns", f"y{row} in its turns"], row)
    assert len(not_used.parts) == 51 and not_used.parts[OTHER_PARTS].count == 35
    assert not_used.words().endswith("43 other kinds of parts are not used")
