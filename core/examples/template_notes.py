"""What a user must know of a bound template: how it is asked, and what of the model's own prompt it does not keep."""

from __future__ import annotations

from core.examples.example import AnyTemplate
from core.templates.chat_template import ChatTemplate


def template_notes(template: AnyTemplate) -> list[str]:
    """A sentence for each note on a chat template, without its full stop; none for a template of text."""
    if not isinstance(template, ChatTemplate):
        return []
    name = template.name
    notes: list[str] = []
    if template.switches:
        notes.append(f"{name} is the model's chat template with {template.switches}: ask the model with the same")
    if not template.prefix_kept:
        notes.append(
            f"{name} does not begin with the chat template's own generation prompt, which opens a thought or is"
            " missing: other programs ask the model with another prompt"
        )
    if template.day:
        notes.append(f"the model's chat template writes today's date: {name} has {template.day}")
    return notes
