"""What an export is made of, checked before anything is written: the run, its adapter, its base model."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from core.base import folders
from core.base.errors import ModelError, RunError
from core.export.export_jobs import check_has_adapter
from core.models.embedded_model import DEMO_MODEL, REQUIREMENT
from core.models.fingerprint import model_fingerprint
from core.models.resolve import local_model_folder, read_model_config
from core.runs.checkpoint_folders import read_mark
from core.runs.run_folder import RunFolder
from core.runs.spec import RunSpec
from core.tokens.tokenizer import TextTokenizer


class RunMaterial(msgspec.Struct, frozen=True):
    """A run and its model, as they are on this machine."""

    run: RunFolder
    """The training run."""
    spec: RunSpec
    """Its specification."""
    facts: dict[str, Any]
    """What it found out."""
    adapter: Path
    """The folder of its adapter."""
    base: Path
    """The folder of its base model."""
    config: dict[str, Any]
    """The base model's config."""
    tokenizer: TextTokenizer
    """The base model's tokenizer."""

    @property
    def four_bit(self) -> bool:
        """Whether the run was trained on weights in 4 bit."""
        known = self.facts.get("four_bit")
        return known if isinstance(known, bool) else ", 4-bit, on" in str(self.facts.get("backend", ""))

    @property
    def base_name(self) -> str:
        """The base model's name for others."""
        if self.spec.model.name == DEMO_MODEL:
            return "HuggingFaceTB/SmolLM2-135M-Instruct"
        name = self.spec.model.name
        return Path(name).name if Path(name).is_absolute() else name

    @property
    def base_remark(self) -> str:
        """Where the base model comes from, if not from its name; a clause, or empty."""
        if self.spec.model.name != DEMO_MODEL:
            return ""
        return f"the base model's weights were unpacked from the 4-bit ones in {REQUIREMENT}"


def run_material(run_id: str, progress: Callable[[str], None]) -> RunMaterial:
    """The run with this id. Raises RunError and ModelError: no adapter, a base model that is gone or another one."""
    run = RunFolder(folders.runs() / run_id)
    if not (run.path / "run.toml").is_file():
        raise RunError("the run is gone", run_id, "Restore its folder, or export another run")
    adapter = check_has_adapter(run)
    spec, facts = run.spec(), run.facts()
    trust = spec.model.trust_remote_code
    base = local_model_folder(spec.model.name, progress, trust_remote_code=trust)
    mark = read_mark(adapter)
    expected = (mark.base_fingerprint if mark is not None else "") or str(facts.get("model_fingerprint") or "")
    if expected and expected != model_fingerprint(base, like=expected):
        revision = facts.get("model_revision")
        of = f" (revision {revision})" if revision else ""
        what = "the base model's files are not those that the run was trained on: another revision, or changed ones"
        raise ModelError(what, str(base), f"Restore the files of the run{of}, then export again")
    return RunMaterial(run, spec, facts, adapter, base, read_model_config(base), TextTokenizer.from_folder(base))
