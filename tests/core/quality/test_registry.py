"""Every check is registered, declares its findings once, and has words for the user."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.quality import checks
from core.quality.finding_kind import FindingKind
from core.quality.registry import CHECK_NAMES, CHECKS, FINDING_KINDS


def test_every_file_is_registered() -> None:
    (folder,) = checks.__path__
    files = {path.stem for path in Path(folder).glob("*.py")} - {"__init__"}
    assert sorted(CHECK_NAMES) == sorted(files)


def test_a_kind_belongs_to_one_check() -> None:
    assert len(FINDING_KINDS) == sum(len(check.kinds) for check in CHECKS)


@pytest.mark.parametrize("kind", FINDING_KINDS.values(), ids=lambda kind: kind.name)
def test_a_kind_says_what_why_and_what_to_do(kind: FindingKind) -> None:
    assert kind.title and kind.why and kind.do
    assert not (kind.why + kind.do).endswith(".")
    assert kind.fix is None or kind.fix.words[0].islower()
