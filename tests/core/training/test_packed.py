"""Packed rows train as padded ones: the same losses, sections and gradients, whatever is packed together."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.training.packed_rows import PackedCollator, PackedRows, join_rows, split_passes
from tests.support.packable_models import UnevenRows, make_packable_model

KINDS = ("llama", "qwen2", "qwen3")
UPDATE = 8  # rows
STEPS = 30


def padded_update(model: Any, rows: UnevenRows, numbers: Any) -> tuple[float, Any]:
    """The loss of an update in batches of two padded rows, and the sums by section. The gradients are added."""
    import torch

    from core.training.collator import ExampleCollator
    from core.training.loss import token_losses

    batches = [ExampleCollator(0, rows)(rows.items(numbers[at : at + 2])) for at in range(0, len(numbers), 2)]  # type: ignore[arg-type]
    divisor = sum(_weight(batch) for batch in batches)
    total, sections = 0.0, torch.zeros(2, 3, dtype=torch.float64)
    for batch in batches:
        each = token_losses(model, batch)
        loss = each.mean(divisor)
        loss.backward()
        total += loss.item()
        sections += each.by_section()
    return total, sections


def _weight(batch: dict[str, Any]) -> float:
    trained = batch["labels"][:, 1:] != -100
    return float((batch["weights"][:, 1:] * trained).sum() if "weights" in batch else trained.sum())


def make_step(model: Any, most_tokens: int) -> Any:
    import torch

    from core.training.packed_model import PackedModel
    from core.training.packed_step import PackedStep

    packed = PackedModel(model, torch.device("cpu"), None)
    return packed, PackedStep(packed, lambda loss: loss.backward(), most_tokens)


def packed_rows(rows: UnevenRows, numbers: Any) -> PackedRows:
    return PackedCollator(rows)(rows.items(numbers))["packed"]  # type: ignore[arg-type]


@pytest.mark.parametrize("captured", [False, True])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_thirty_packed_steps_have_the_losses_of_thirty_padded_ones(kind: str, weighted: bool, captured: bool) -> None:
    """Two models, each with its own optimizer."""
    import torch

    from core.training.captured_step import CapturedStep
    from core.training.pass_shapes import shape_grid

    rows = UnevenRows(weighted=weighted)
    order = np.random.default_rng(1)
    models = [make_packable_model(kind) for _ in range(2)]
    trained = [[parameter for parameter in model.parameters() if parameter.requires_grad] for model in models]
    optimizers = [torch.optim.AdamW(parameters, lr=3e-3) for parameters in trained]
    packed, step = make_step(models[1], most_tokens=120)
    if captured:
        grid = shape_grid([packed_rows(rows, range(UPDATE))], UPDATE, rows.longest)
        step = CapturedStep(packed, step, trained[1], grid, pytest.fail)
    for _ in range(STEPS):
        numbers = order.choice(len(rows), UPDATE, replace=False)
        loss, sections = padded_update(models[0], rows, numbers)
        update = packed_rows(rows, numbers)
        parts = list(step.run(update, update.weight))
        assert len(parts) > 1
        assert float(sum(part.total for part in parts)) == pytest.approx(loss, abs=1e-6)
        of_parts = torch.stack([part.by_section for part in parts]).sum(0)
        assert of_parts[1].tolist() == sections[1].tolist()
        assert of_parts[0].tolist() == pytest.approx(sections[0].tolist(), rel=1e-6)
        for optimizer, parameters in zip(optimizers, trained, strict=True):
            torch.nn.utils.clip_grad_norm_(parameters, 1.0)
            optimizer.step()
            optimizer.zero_grad()
    for ours, theirs in zip(trained[1], trained[0], strict=True):
        assert torch.allclose(ours, theirs, atol=1e-5)


@pytest.mark.parametrize("every", [False, True])
@pytest.mark.parametrize("weighted", [False, True])
def test_the_chunked_losses_of_a_padded_batch_are_those_of_its_scores(weighted: bool, every: bool) -> None:
    import torch

    from core.training.collator import ExampleCollator
    from core.training.loss import token_losses

    model = make_packable_model("qwen3")
    packed, _ = make_step(model, 100)
    rows = UnevenRows(weighted=weighted)
    batch = ExampleCollator(0, rows)(rows.items(range(5)))  # type: ignore[arg-type]
    with torch.no_grad():
        wanted = token_losses(model, batch, every_token=every)
        for divisor in (None, 7.0):
            found = packed.padded_losses(batch, divisor, every_token=every)
            assert found.total.item() == pytest.approx(token_losses(model, batch).mean(divisor).item(), abs=1e-6)
        assert torch.allclose(found.by_section, wanted.by_section(), atol=1e-4)


@settings(max_examples=15, deadline=None)
@given(st.integers(1, 40), st.integers(1, 50), st.booleans(), st.integers(0, 2**31))
def test_a_chunked_loss_is_the_cross_entropy(count: int, chunk: int, has_bias: bool, seed: int) -> None:
    import torch

    from core.training.chunked_loss import chunked_cross_entropy

    draw = torch.Generator().manual_seed(seed)
    hidden = torch.randn(count, 16, generator=draw).requires_grad_()
    same = hidden.detach().clone().requires_grad_()
    head = torch.randn(50, 16, generator=draw)
    bias = torch.randn(50, generator=draw) if has_bias else None
    targets, weights = torch.randint(0, 50, (count,), generator=draw), torch.rand(count, generator=draw)
    total, each = chunked_cross_entropy(hidden, head, targets, weights, bias, chunk)
    wanted = torch.nn.functional.cross_entropy(torch.nn.functional.linear(same, head, bias), targets, reduction="none")
    (total * 3).backward()
    ((wanted * weights).sum() * 3).backward()
    assert torch.allclose(each, wanted.detach(), atol=1e-6, rtol=1e-6)
    assert hidden.grad is not None and same.grad is not None
    assert torch.allclose(hidden.grad, same.grad, atol=1e-5, rtol=1e-5)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, 23), min_size=1, max_size=12), st.integers(1, 200))
def test_passes_hold_every_row_once_in_order_and_no_more_tokens_than_fit(numbers: list[int], most: int) -> None:
    rows = UnevenRows(weighted=True)
    update = packed_rows(rows, numbers)
    parts = split_passes(update, most)
    assert all(part.tokens <= most or len(part.lengths) == 1 for part in parts)
    joined = join_rows(parts)
    for name in ("ids", "lengths", "sources", "targets", "weights", "sections", "rows"):
        assert np.array_equal(getattr(joined, name), getattr(update, name))
    assert np.array_equal(update.ids[update.sources + 1], update.targets)
    assert [part.tokens for part in parts] == [int(part.lengths.sum()) for part in parts]


def test_a_row_never_sees_another() -> None:
    import torch

    rows = UnevenRows()
    packed, _ = make_step(make_packable_model("qwen2"), 10_000)
    with torch.no_grad():
        alone = [packed_rows(rows, [number]) for number in (3, 4)]
        both = join_rows(alone)
        whole = packed.losses(packed.tensors(both, 1.0), both.lengths.tolist(), 60)
        parts = [packed.losses(packed.tensors(part, 1.0), part.lengths.tolist(), 60) for part in alone]
    assert float(whole.total) == pytest.approx(sum(float(part.total) for part in parts), rel=1e-6)


@pytest.mark.parametrize(
    ("kind", "more", "targets", "words"),
    [
        ("gemma2", {}, ("q_proj",), "not tested"),
        ("mistral", {"sliding_window": 8}, ("q_proj",), "slides"),
        ("llama", {"tie_word_embeddings": False}, ("q_proj", "lm_head"), "head has an adapter"),
        ("llama", {}, ("q_proj",), ""),
        ("mistral", {"sliding_window": None}, ("q_proj",), ""),
    ],
)
def test_models_that_cannot_be_packed_say_why(
    kind: str, more: dict[str, Any], targets: tuple[str, ...], words: str
) -> None:
    from core.training.packed_model import why_not_packed

    model = make_packable_model(kind, targets, **more)
    why = why_not_packed(model, "cpu", "float32")
    assert (words in why) if words else not why
    assert bool(why_not_packed(model, "cuda:0", "float32"))
