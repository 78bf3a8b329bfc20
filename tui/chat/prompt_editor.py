"""The fields of a question: instruction, input, and how to ask it. Knows nothing of models or answers."""

from __future__ import annotations

from typing import Literal

from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.widgets import Input, Label, Static, TextArea

from core.base.errors import UsageError
from core.base.safe_text import safe_line
from core.engine.protocol import ChatQuestion
from tui.actions import key_of
from tui.common.safe_editing import editor_text
from tui.common.safe_text_area import SafeTextArea

MOST_TOKENS = 131_072
EDITABLE = 100_000  # characters a field takes; an editor that wraps more than that blocks the screen


class NumberField(Input):
    """A small field for a number."""

    def __init__(self, value: str, kind: Literal["integer", "number"], placeholder: str = "", *, id: str) -> None:
        super().__init__(value, type=kind, placeholder=placeholder, id=id, compact=True, select_on_focus=True)
        self.cursor_blink = False


class PromptEditor(Vertical):
    """Instruction, input, the line with template and model, and three numbers."""

    DEFAULT_CSS = """
    PromptEditor {
        height: auto;
        padding: 0 1;
        & Horizontal { height: auto; width: 1fr; }
        & Label { color: $text-muted; width: 12; }
        & .short { width: auto; margin: 0 1 0 3; }
        & TextArea { padding: 0; border: none; background: $surface; width: 1fr; scrollbar-size-vertical: 1; }
        & .text-area--placeholder, & .input--placeholder { color: $text-muted; }
        & TextArea:focus, & Input:focus { background: $panel; }
        & #instruction { height: 4; }
        & #input { height: auto; min-height: 1; max-height: 4; }
        & #how { height: 1; width: 1fr; color: $foreground; text-wrap: nowrap; text-overflow: ellipsis; }
        & Input { width: 9; background: $surface; }
    }
    """

    def compose(self) -> ComposeResult:
        with Horizontal():
            yield Label("Instruction")
            yield SafeTextArea(placeholder="what to ask the model", paste_limit=EDITABLE, id="instruction")
        with Horizontal():
            yield Label("Input")
            yield SafeTextArea(placeholder="more context; may be empty", paste_limit=EDITABLE, id="input")
        with Horizontal():
            yield Label("Template")
            yield Static(id="how")
        with Horizontal():
            yield Label("Max tokens")
            yield NumberField("1024", "integer", id="max_tokens")
            yield Label("Temperature", classes="short")
            yield NumberField("0", "number", id="temperature")
            yield Label("Seed", classes="short")
            yield NumberField("", "integer", "any", id="seed")

    def on_mount(self) -> None:
        self._how = Content("")

    @property
    def instruction(self) -> str:
        return self.query_one("#instruction", TextArea).text

    @property
    def input(self) -> str:
        return self.query_one("#input", TextArea).text

    def fill(self, instruction: str, input: str) -> list[str]:
        """Replace both texts, foreign or not. Returns what had to be changed, one clause each."""
        changed: list[str] = []
        for name, text in (("instruction", instruction), ("input", input)):
            safe = editor_text(text)
            if safe != text.replace("\r\n", "\n"):
                changed.append(f"control characters in the {name} are shown as pictures")
            if len(safe) > EDITABLE:
                changed.append(f"the {name} is cut after {EDITABLE:,} of {len(safe):,} characters")
            area = self.query_one(f"#{name}", TextArea)
            area.text = safe[:EDITABLE]
        self.query_one("#instruction", TextArea).focus()
        return changed

    def show_how(self, template: str, asked: str, backend: str) -> None:
        """Show the template, the model that is asked and its backend; all three may be foreign."""
        parts = [Content(safe_line(template, 40)), Content.styled("   Asks ", "$text-muted")]
        parts += [
            Content.styled(safe_line(asked, 90), "bold"),
            Content.styled(f"   {safe_line(backend, 200)}" if backend else "", "$text-muted"),
        ]
        how = Content("").join(parts)
        if how.plain != self._how.plain:
            self._how = how
            self.query_one("#how", Static).update(how, layout=False)

    def question(self, template: str, drop_empty_input: bool, tuned: bool) -> ChatQuestion:
        """The question. Raises UsageError that names a field with a bad value."""
        if not self.instruction.strip():
            self.query_one("#instruction", TextArea).focus()
            raise UsageError(
                "the instruction is empty",
                "Instruction",
                f"Write what the model should do, then press {key_of('chat.ask_question')}",
            )
        seed = self._field("seed").value.strip()
        return ChatQuestion(
            instruction=self.instruction,
            input=self.input,
            template=template,
            drop_empty_input=drop_empty_input,
            tuned=tuned,
            max_tokens=int(self._number("max_tokens", "Max tokens", 1, MOST_TOKENS)),
            temperature=self._number("temperature", "Temperature", 0, 10),
            seed=int(self._number("seed", "Seed", 0, 2**63 - 1)) if seed else None,
        )

    def typed(self, template: str, tuned: bool) -> ChatQuestion:
        """The question as far as it is typed, without its numbers; it may be empty."""
        return ChatQuestion(instruction=self.instruction, input=self.input, template=template, tuned=tuned)

    def _field(self, id: str) -> Input:
        return self.query_one(f"#{id}", Input)

    def _number(self, id: str, name: str, low: int, high: int) -> float:
        field = self._field(id)
        try:
            value = float(field.value) if field.type == "number" else int(field.value)
        except ValueError:
            value = -1
        if not low <= value <= high:
            field.focus()
            kind = "a whole number" if field.type == "integer" else "a number"
            raise UsageError(
                f"{safe_line(field.value, 40) or 'an empty field'} is not {kind} from {low} to {high:,}",
                name,
                f"Change {name}, then press {key_of('chat.ask_question')}",
            )
        return value
