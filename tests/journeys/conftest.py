"""Journeys use the real demo model. It is made once per machine and shown to each test's private cache by a link."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from core.base import folders
from core.models.embedded_model import demo_folder
from core.models.make_embedded_model import ensure_demo_model

# Read before any test moves it. SUIRON_TEST_MODELS names another cache folder to keep the model in (as `models/demo`),
# say one that a CI keeps.
_CACHE = os.environ.get("SUIRON_TEST_MODELS") or os.environ.get("SUIRON_CACHE")


@pytest.fixture(scope="session")
def kept_demo_model() -> Path:
    """The demo model in the user's own cache; downloaded and converted where it is missing."""
    with pytest.MonkeyPatch.context() as patch:
        if _CACHE:
            patch.setenv("SUIRON_CACHE", _CACHE)
        else:
            patch.delenv("SUIRON_CACHE", raising=False)
        return ensure_demo_model(print)


@pytest.fixture
def demo_model(private_folders: Path, kept_demo_model: Path) -> Path:
    """The demo model in this test's own cache, ready."""
    folder = demo_folder()
    assert folder.is_relative_to(folders.cache()) and folder != kept_demo_model
    folder.symlink_to(kept_demo_model, target_is_directory=True)
    return folder
