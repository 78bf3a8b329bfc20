"""The rows of one loaded model: gives each answer a row and what of its prompt is kept already, feeds prompts in parts,
advances all live rows, and keeps what they leave. One person's chat has a step of one row; more rows come with need.

Used in the thread that owns the model. Knows nothing of requests, text or sockets.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from core.engine.caches.continuation_scorer import ContinuationScorer
from core.engine.caches.kept_caches import KeptCaches
from core.engine.caches.lane import Kept, Lane, RowPlace
from core.engine.caches.lane_maker import MOST_ROWS, LaneMaker
from core.engine.caches.prefix_store import PrefixKey, PrefixStore, common_prefix
from core.engine.model_trouble import scores_without_numbers
from core.engine.sequence import AnswerSequence
from core.engine.steps.cache_copy import CacheCopy
from core.engine.steps.choose_tokens import NOT_A_TOKEN
from core.engine.steps.row_cache import attends_to_everything

_WORTH_A_COPY = 16  # tokens: fewer are fed again as fast as they are copied


class RowPool:
    """Holds the lanes of a model, and its kept prefixes."""

    def __init__(self, maker: LaneMaker, budget: int) -> None:
        """budget: bytes that kept caches may take."""
        self._maker = maker
        self._lanes: list[Lane] = []
        self._where: dict[AnswerSequence, RowPlace] = {}
        self._snapshots: dict[AnswerSequence, list[int]] = {}
        self._unfed: set[AnswerSequence] = set()
        self.cuts: bool = attends_to_everything(maker.base)
        """Whether a cache of this model can be cut to a part of its tokens."""
        self._kept = KeptCaches(budget, self._fixed_bytes, cuts=self.cuts)
        self.store: PrefixStore[RowPlace | CacheCopy] = self._kept.store
        self._scorer: ContinuationScorer | None = None

    # -- what is there --

    @property
    def path(self) -> str:
        """The path of the next answer, and"""
        return self._maker.path(1)

    @property
    def path_reasons(self) -> list[str]:
        """why no faster one answers it."""
        return self._maker.reasons(self.path)

    @property
    def live(self) -> int:
        """Answers that have a row."""
        return len(self._where)

    @property
    def on_gpu(self) -> bool:
        """Whether the model is on a GPU."""
        return bool(self._maker.base.device.type == "cuda")

    @property
    def has_row(self) -> bool:
        """Whether one more answer can have a row."""
        return self.live < MOST_ROWS

    @property
    def cache_bytes(self) -> int:
        """Memory that caches take: of all rows, and what is kept beside them."""
        rows = sum(lane.fixed_bytes + sum(map(lane.row_bytes, lane.live)) for lane in self._lanes)
        return rows + self.store.bytes + (0 if self._scorer is None else self._scorer.bytes)

    @property
    def scorer(self) -> ContinuationScorer:
        """Scores continuations by this model, beside the rows."""
        if self._scorer is None:
            self._scorer = ContinuationScorer(self._maker.model, continues=self._maker.continues)
        return self._scorer

    # -- an answer's way --

    def place(self, sequence: AnswerSequence, waiting: int = 0) -> None:
        """Give a sequence a row, with what is kept of its prompt in it. waiting: answers that will want a row next.

        Raises what making a step raises where memory runs out; the sequence then has no row.
        """
        lane = self._lane_for(sequence, waiting)
        row, sequence.fed = self._row_with_prefix(lane, sequence)
        lane.step.set_adapter(row, sequence.adapter)
        lane.sequences[row] = sequence
        self._where[sequence] = RowPlace(lane, row)
        self._unfed.add(sequence)
        sequence.path, sequence.reused = lane.step.path, sequence.fed
        if not lane.step.drafts_exactly:
            sequence.draft_why = "scores of several tokens at once round otherwise on this path"
        sequence.path_why = self._maker.why_not_faster(lane.step.path, cold=sequence.cold)
        if not self.cuts and not sequence.cold:
            self._snapshots[sequence] = self._kept.snapshot_places(
                lane.key(sequence.adapter), sequence.prompt, sequence.fed
            )

    def feed(self, sequence: AnswerSequence, most: int) -> bool:
        """Feed the next part of its prompt, at most `most` tokens; whether the whole prompt is fed. Where the host can
        read it, the first token is chosen and read then, and the sequence may have ended."""
        place = self._where[sequence]
        step, row, prompt = place.lane.step, place.row, sequence.prompt
        if sequence in self._unfed:
            self._unfed.remove(sequence)
            self._look_again(place, sequence)
        end = min(sequence.fed + most, len(prompt)) if self._maker.continues else len(prompt)
        snapshots = self._snapshots.get(sequence, [])
        end = min([end, *(at for at in snapshots if at > sequence.fed)])
        part = prompt[sequence.fed : end]
        if end < len(prompt):
            step.feed(row, part)
        else:
            self._start(place.lane, row, sequence, part)
        sequence.fed = end
        if end in snapshots:
            self._keep_snapshot(place, sequence)
        if end < len(prompt):
            return False
        sequence.prompt_fed()
        if given := sequence.take_given():
            step.force(row, given)
        chosen = step.chosen()
        if sequence.reason is not None:
            self.leave(sequence)
        elif chosen is not None:
            for _, error in self._deliver(place.lane, {row: chosen[row]}):
                raise error
        return True

    def advance(self) -> list[tuple[AnswerSequence, Exception]]:
        """One token for each sequence whose prompt is fed; one that ends with it leaves its row. Returns sequences that
        failed, with the reason; they have left."""
        failed: list[tuple[AnswerSequence, Exception]] = []
        for lane in list(self._lanes):
            try:
                failed += self._advance_lane(lane)
            except Exception as error:  # any: what the rows hold is unknown now, but the engine lives
                failed += [(sequence, error) for sequence in lane.sequences if sequence is not None]
                self._lose_lane(lane)
        return failed

    def leave(self, sequence: AnswerSequence, *, keep: bool = True) -> None:
        """The sequence gives its row back. keep: what the row holds serves later prompts."""
        place = self._where.pop(sequence, None)
        self._snapshots.pop(sequence, None)
        self._unfed.discard(sequence)
        if place is None:
            return
        lane, row = place.lane, place.row
        lane.sequences[row] = None
        # Mostly nothing is cut, and the row is not live any more; of a draft, tokens behind the end may be there.
        held = lane.step.cut(row, min(lane.step.length(row), len(sequence.ids)))
        if not keep or not held or sequence.cold or not self._maker.continues:
            lane.step.release(row)
            return
        self._kept.put(lane.key(sequence.adapter), sequence.ids[:held], place, lane.row_bytes(row))

    # -- all of them --

    def model_changed(self, model: Any, adapters: tuple[str, ...]) -> None:
        """Other adapters are loaded: steps are made anew. What adapters that remain have left is kept."""
        self._scorer = None
        self._kept.model_changed(adapters)
        self._lanes.clear()
        self._maker = LaneMaker(model, adapters)

    def forget_kept(self) -> None:
        """Drop everything that is kept, for its memory."""
        self._scorer = None
        self._kept.forget()
        self._lanes = [lane for lane in self._lanes if lane.live]

    # -- inside: lanes --

    def _fixed_bytes(self) -> int:
        return sum(lane.fixed_bytes for lane in self._lanes)

    def _lane_for(self, sequence: AnswerSequence, waiting: int) -> Lane:
        adapter = sequence.adapter
        if sequence.cold:
            return self._lane_of(self._maker.plain_lane, lambda lane: lane.step.path == "plain")
        if self._maker.path(1) == "plain":
            return self._lane_of(self._maker.plain_lane, lambda lane: lane.step.path == "plain")
        self._renew_lanes()
        mine = [lane for lane in self._lanes if lane.step.path != "plain" and lane.serves(adapter)]
        roomy = [lane for lane in mine if lane.free and len(lane.live) == self._live_on(mine, lane.step.path)]
        if roomy:
            return min(roomy, key=lambda lane: (-len(lane.live), lane.size))
        together = sum(len(lane.live) for lane in mine)
        made = self._grown(adapter, self._maker.size_for(min(together + 1 + waiting, MOST_ROWS)), mine)
        if made is None:
            lanes = [lane for lane in mine if lane.free]
            if lanes:
                return lanes[0]
            return self._lane_of(self._maker.plain_lane, lambda lane: lane.step.path == "plain")
        for lane in mine:
            if lane.step.path == made.step.path:
                self._move_live(lane, made)
        return made

    def _lane_of(self, make: Callable[[], Lane], fits: Callable[[Lane], bool]) -> Lane:
        for lane in self._lanes:
            if fits(lane):
                return lane
        lane = make()
        self._lanes.append(lane)
        return lane

    def _grown(self, adapter: str | None, size: int, mine: list[Lane]) -> Lane | None:
        """A new lane of `size` rows, or of fewer where memory is short; None where there is none for one more."""
        together = sum(len(lane.live) for lane in mine)
        found = next((lane for lane in mine if lane.size == size and not lane.live), None)
        if found is not None:
            return found
        self._kept.drop_over_budget(room=self._maker.row_bytes * size)
        lane = self._maker.lane(size, adapter)
        if lane is None and together + 1 < size:
            lane = self._maker.lane(self._maker.size_for(together + 1), adapter)
        if lane is not None:
            self._lanes.append(lane)
        return lane

    @staticmethod
    def _live_on(lanes: list[Lane], path: str) -> int:
        return sum(len(lane.live) for lane in lanes if lane.step.path == path)

    def _renew_lanes(self) -> None:
        """Give up idle lanes of a slower path than is ready now."""
        for lane in list(self._lanes):
            if lane.step.path != "plain" and not lane.live and self._maker.path(lane.size) != lane.step.path:
                self._lose_lane(lane)

    def _move_live(self, old: Lane, new: Lane) -> None:
        """Carry answers in progress to a lane with more rows. Their last token is fed again there: the next one is
        chosen by the same scores and the same noise."""
        for row in old.live:
            sequence = old.sequences[row]
            free = [other for other in new.free if new.sequences[other] is None]
            if sequence is None or not free:
                continue
            target = free[0]
            self._kept.evict(new, target)
            held = old.step.length(row)
            new.step.copy_in(target, old.step.copy_out(row))
            new.step.set_adapter(target, sequence.adapter)
            if sequence.fed == len(sequence.prompt):
                new.step.cut(target, held - 1)
                self._start(new, target, sequence, sequence.ids[held - 1 : held])
                # What was told must be fed, given tokens among it; and those that wait were dropped with the old row.
                if again := [*sequence.ids[held:], *sequence.given]:
                    new.step.force(target, again)
            old.sequences[row] = None
            old.step.release(row)
            new.sequences[target] = sequence
            self._where[sequence] = RowPlace(new, target)
        if not old.live and old.size > 1:
            self._lose_lane(old)

    def _lose_lane(self, lane: Lane) -> None:
        for sequence in lane.sequences:
            if sequence is not None:
                self._where.pop(sequence, None)
                self._snapshots.pop(sequence, None)
                self._unfed.discard(sequence)
        self._kept.lane_lost(lane)
        if lane in self._lanes:
            self._lanes.remove(lane)

    def _advance_lane(self, lane: Lane) -> list[tuple[AnswerSequence, Exception]]:
        """On a GPU the tokens that were fed are read, while the device works on the next; else those that are fed
        next, so that an answer's last token costs no step."""
        step = lane.step
        live = [row for row, is_live in enumerate(step.live) if is_live]
        if not live:
            return []
        told = lane.verify_drafts(live) if step.drafts_exactly else {}
        fed, chosen = step.advance(without=told), step.chosen()
        others = [row for row in live if row not in told]
        failed = self._deliver(lane, {row: (fed if chosen is None else chosen)[row] for row in others})
        for row, tokens in told.items():
            sequence = lane.sequences[row]
            for token in tokens:
                if lane.sequences[row] is sequence:  # else it ended before this token
                    failed += self._deliver(lane, {row: token})
        return failed

    def _deliver(self, lane: Lane, tokens: Mapping[int, int | None]) -> list[tuple[AnswerSequence, Exception]]:
        failed: list[tuple[AnswerSequence, Exception]] = []
        for row, token in tokens.items():
            sequence = lane.sequences[row]
            if sequence is None or token is None:
                continue
            if token == NOT_A_TOKEN:
                self.leave(sequence, keep=False)
                failed.append((sequence, scores_without_numbers()))
            elif not sequence.take(token, lane.step.log_probabilities(row)):
                self.leave(sequence)
            elif given := sequence.take_given():
                lane.step.force(row, given)
        return failed

    def _start(self, lane: Lane, row: int, sequence: AnswerSequence, part: list[int]) -> None:
        """Feed the last part: the row is live from now on."""
        lane.step.set_adapter(row, sequence.adapter)
        answered = max(0, lane.step.length(row) + len(part) - len(sequence.prompt))
        lane.step.prefill(row, part, sequence.choice, answered=answered)

    # -- inside: what is kept --

    def _row_with_prefix(self, lane: Lane, sequence: AnswerSequence) -> tuple[int, int]:
        """A row of the lane without an answer, and how many tokens of the prompt it holds."""
        key, prompt, step = lane.key(sequence.adapter), sequence.prompt, lane.step
        free = lane.free
        found = self._best_prefix(key, prompt, sequence)
        if found is None:
            return self._empty_row(lane, free[0]), 0
        kept, source, count = found
        if kept is not None and isinstance(source, RowPlace) and source.lane is lane:
            others = [row for row in free if row != source.row]
            if 2 * count >= len(kept.ids) or not others:
                self.store.remove(kept)
                lane.kept[source.row] = None
                return source.row, step.cut(source.row, count)
            free = others
        if count < _WORTH_A_COPY and self.cuts:
            sequence.reuse_why = "less than is worth copying begins the same"
            return self._empty_row(lane, free[0]), 0
        row = free[0]
        copy = source if isinstance(source, CacheCopy) else source.lane.step.copy_out(source.row)
        self._empty_row(lane, row)
        step.copy_in(row, copy)
        return row, step.cut(row, count)

    def _best_prefix(
        self, key: PrefixKey, prompt: list[int], sequence: AnswerSequence
    ) -> tuple[Kept | None, RowPlace | CacheCopy, int] | None:
        """What is kept, or held by an answer in progress, of a prompt: its entry, its place, and the tokens of use."""
        if sequence.cold:
            sequence.reuse_why = "a cold answer was asked for"
            return None
        if not self._maker.continues:
            sequence.reuse_why = "the model's layers cannot go on from a kept state with several tokens"
            return None
        found = self.store.find(key, prompt, cuts=self.cuts)
        best: tuple[Kept | None, RowPlace | CacheCopy, int] | None = None
        if found is not None:
            best = found[0], found[0].place, found[1]
        if self.cuts:
            for other, place in self._where.items():
                if place.lane.key(other.adapter) != key or other.cold:
                    continue
                held = other.ids[: place.lane.step.length(place.row)]
                count = min(common_prefix(held, prompt), len(prompt) - 1)
                if count > (best[2] if best else 0):
                    best = None, place, count
        if best is None:
            shared = self.store.longest_common(key, prompt)
            sequence.reuse_why = (
                f"the model's cache cannot be cut to the {shared} tokens that begin the same"
                if shared and not self.cuts
                else "no kept sequence begins the same"
            )
        return best

    def _look_again(self, place: RowPlace, sequence: AnswerSequence) -> None:
        """Before a prompt's first part is fed: take over what another answer has fed of it since this one got its row,
        as the answers to one request do."""
        why = sequence.reuse_why
        found = self._best_prefix(place.lane.key(sequence.adapter), sequence.prompt, sequence)
        if found is None or found[2] - sequence.fed < _WORTH_A_COPY:
            sequence.reuse_why = why
            return
        _, source, count = found
        step, row = place.lane.step, place.row
        copy = source if isinstance(source, CacheCopy) else source.lane.step.copy_out(source.row)
        step.copy_in(row, copy)
        sequence.fed = sequence.reused = step.cut(row, count)
        sequence.reuse_why = ""

    def _keep_snapshot(self, place: RowPlace, sequence: AnswerSequence) -> None:
        key, ids = place.lane.key(sequence.adapter), sequence.prompt[: sequence.fed]
        if not self.store.holds(key, ids):
            copy = place.lane.step.copy_out(place.row)
            self._kept.put(key, ids, copy, copy.bytes)

    def _empty_row(self, lane: Lane, row: int) -> int:
        self._kept.evict(lane, row)
        return row


def make_pool(model: Any, adapters: tuple[str, ...], budget: int) -> RowPool:
    """The rows of a model that was just loaded. adapters: the labels of its loaded adapters."""
    return RowPool(LaneMaker(model, adapters), budget)
