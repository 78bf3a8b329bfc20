"""What the models' thread does for others: loads, unloads and answers. Light: no torch."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal

from core.base.errors import SuironError
from core.engine.model_holders import ModelHolder
from core.engine.protocol import FinishReason
from core.engine.target import ModelTarget

if TYPE_CHECKING:
    from core.engine.caches.continuation_scorer import ScoringTurns
    from core.engine.load_check import CheckedLoad
    from core.engine.score_request import ScoreQuestion
    from core.engine.sequence import AnswerSequence
    from core.models.loading import LoadedModel

LoadStage = Literal["new", "checking", "checked", "reading", "read"]
"""How far a load is. checking and reading: in a thread of its own; checked and read: the models' thread is next."""


class LoadJob:
    """A load that somebody waits for."""

    def __init__(
        self,
        target: ModelTarget,
        holder: ModelHolder,
        take: bool,
        report: Callable[[str], None],
        done: Callable[[str, SuironError | None], None],
    ) -> None:
        """report: called with the current work. done: called with the backend in words, or with the reason why not.
        Both in any thread."""
        self.target, self.holder, self.take, self.report, self.done = target, holder, take, report, done
        self.stage: LoadStage = "new"
        self.checked: CheckedLoad | None = None
        self.loaded: LoadedModel | None = None
        self.error: Exception | None = None
        """What went wrong beside the models' thread."""


class UnloadJob:
    """Somebody waits for all memory to be free."""

    target = ModelTarget("")

    def __init__(self, done: Callable[[], None]) -> None:
        """done: called in the thread when it is."""
        self.done = done


class AnswerJob:
    """An answer that somebody reads."""

    def __init__(
        self,
        target: ModelTarget,
        prepare: Callable[[LoadedModel], AnswerSequence],
        put: Callable[[list[Any]], None],
        stop: threading.Event,
    ) -> None:
        """prepare: makes the sequence, in the thread; raises SuironError for a request that cannot be answered. put:
        takes parts of the answer, in the event loop. stop: ends it within two tokens."""
        self.target, self.prepare, self.put, self.stop = target, prepare, put, stop
        self.why: FinishReason = "stopped"
        """The reason of its end, once it is stopped."""
        self.sequence: AnswerSequence | None = None
        self.tried_again = False
        self.unsent: list[Any] = []
        self.sent = 0.0


class ScoreJob:
    """Continuations that are to be scored."""

    def __init__(
        self,
        target: ModelTarget,
        prepare: Callable[[LoadedModel], ScoreQuestion],
        put: Callable[[list[Any]], None],
        stop: threading.Event,
    ) -> None:
        """prepare, put, stop: as for `AnswerJob`; the only part is a ScoreReply."""
        self.target, self.prepare, self.put, self.stop = target, prepare, put, stop
        self.question: ScoreQuestion | None = None
        self.turns: ScoringTurns | None = None


Job = LoadJob | UnloadJob | AnswerJob | ScoreJob
