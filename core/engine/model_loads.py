"""The stages of a load: checked in a thread of its own, then room is made, its weights are read beside again, and it is
put in place. The models' thread does only what touches models in memory, so that answers go on meanwhile.

One load after the other; the methods run in the models' thread.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from core.base.errors import EngineError
from core.engine.model_jobs import LoadJob, LoadStage
from core.engine.target import ModelTarget

if TYPE_CHECKING:
    from core.engine.load_check import CheckedLoad
    from core.engine.resident_model import ResidentModels
    from core.models.checked_model import CheckedModel
    from core.models.loading import LoadedModel


class ModelLoads:
    """Holds the models in memory; None until the first load, which imports torch."""

    def __init__(self, wake: Callable[[], None]) -> None:
        """wake: called in any thread when work beside the models' thread has ended."""
        self._wake = wake
        self.models: ResidentModels | None = None

    @staticmethod
    def is_ready(job: LoadJob) -> bool:
        """Whether the models' thread has the next turn of a load."""
        return job.stage in ("checked", "read")

    def changes(self, job: LoadJob) -> frozenset[str]:
        """The models that a load is going to change or remove in its next turn, as far as that is known."""
        if job.stage != "checked" or job.checked is None or self.models is None:
            return frozenset()
        return self.models.changes(job.checked, job.holder, take=job.take)

    def start_check(self, job: LoadJob) -> None:
        """Check a new load, beside."""
        known = self.models.known(job.holder) if self.models is not None else ()

        def check() -> None:
            if "torch" not in sys.modules:
                job.report("importing the libraries")
            from core.models.backend import prepare_imports

            prepare_imports()  # before anything imports transformers or peft
            import core.engine.resident_model  # noqa: F401  (here, so that the models' thread need not)
            from core.engine.load_check import check_load

            job.checked = check_load(job.target, known, job.report)

        job.stage = "checking"
        self._beside(job, check, "checked")

    def go_on(self, job: LoadJob) -> LoadedModel | None:
        """The next turn of a load that is ready: the loaded model, or None where there is more to do beside. Raises
        what went wrong."""
        from core.engine.resident_model import ResidentModels

        if job.error is not None:
            error, job.error = job.error, None
            raise error
        if self.models is None:
            self.models = ResidentModels()
        load = job.checked
        if load is None:
            raise EngineError("the load was not checked", job.target.model, "Please report this")
        if job.stage == "checked" and self.models.make_room(load, job.holder, take=job.take):
            if load.base is None:  # it was in memory when it was checked, and is not any more
                job.stage = "new"
            else:
                self._read(job, load, load.base)
            return None
        if job.stage == "read" or load.adapter is not None:
            job.report("loading the adapter" if load.adapter is not None else "getting ready to answer")
        loaded, job.loaded = job.loaded, None
        return self.models.put(load, loaded, job.holder)

    def resident(self) -> ResidentModels:
        """The models in memory. Raises EngineError where nothing was ever loaded."""
        if self.models is None:
            raise EngineError("no model is loaded", "", "Load one first")
        return self.models

    def has(self, target: ModelTarget) -> bool:
        """Whether a target is in memory."""
        return self.models is not None and self.models.has(target)

    # -- inside --

    def _read(self, job: LoadJob, load: CheckedLoad, base: CheckedModel) -> None:
        """Read the weights of a checked load, beside."""

        def read() -> None:
            from core.engine.load_check import check_unchanged
            from core.models.loading import load_checked

            job.loaded = load_checked(base, job.report)
            check_unchanged(load)

        job.stage = "reading"
        self._beside(job, read, "read")

    def _beside(self, job: LoadJob, work: Callable[[], None], then: LoadStage) -> None:
        def run() -> None:
            try:
                work()
            except Exception as error:  # any: it is raised in the models' thread, which says it
                job.error, job.loaded = error, None
            job.stage = then
            self._wake()

        threading.Thread(target=run, name=f"load {then}", daemon=True).start()
