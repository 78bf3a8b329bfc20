"""The selected run in a few lines: where it is, of what it was made, what the person wrote. Knows no widget."""

from __future__ import annotations

from collections.abc import Mapping

from textual.content import Content

from core.base.safe_text import safe_line
from core.runs.run_summary import RunSummary

_SHORT = {
    "lora.r": "r",
    "lora.alpha": "alpha",
    "train.learning_rate": "rate",
    "train.batch_size": "batch",
    "train.gradient_accumulation": "accumulate",
    "prompt.max_seq_length": "max length",
    "prompt.mixture": "mixture",
    "prompt.loss_on": "loss on",
    "train.seed": "seed",
    "train.epochs": "epochs",
    "validation.share": "kept out",
}


def run_details(run: RunSummary | None, changes: Mapping[str, str], rows: int) -> Content:
    """At most `rows` lines about the run."""
    if run is None:
        return Content.styled("no run is selected", "$text-muted")
    loss = "no loss logged" if run.loss is None else f"loss {run.loss:.4f}"
    loss += (" (lowest evaluation)" if run.evaluated else " (mean of its last steps)") if run.loss is not None else ""
    lines = [
        Content.styled(safe_line(run.name, 60), "bold").append(
            Content.styled(f"  {safe_line(run.id, 90)}  {safe_line(run.state)}  {loss}", "$text-muted")
        )
    ]
    if run.trouble:
        lines.append(Content.styled(safe_line(run.trouble, 300), "$error"))
    if run.note:
        lines.append(Content.styled("note ", "$text-muted").append(Content(safe_line(run.note, 600))))
    if changes.get(run.id):
        lines.append(_pair("differs", changes[run.id]))
    if run.settings:
        lines.append(_pair("model", f"{run.model} · data {run.data}"))
        words = ", ".join(f"{words} {run.settings[key]}" for key, words in _SHORT.items() if run.settings.get(key))
        lines.append(_pair("settings", words))
    return Content("\n").join(lines[:rows])


def _pair(name: str, words: str) -> Content:
    return Content.styled(f"{name} ", "$text-muted").append(Content(safe_line(words, 600)))
