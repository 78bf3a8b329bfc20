"""The dialog that chooses a model: a folder or hub name typed in, or one from the list of known models.

It returns only a model that resolves.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.content import Content
from textual.widgets import Input, OptionList, Static
from textual.widgets.option_list import Option
from textual.worker import get_current_worker

from core.base.errors import SuironError
from core.base.safe_text import safe_line
from tui.actions import key_bindings, key_hints
from tui.common.dialog import Dialog
from tui.common.readable_error import readable_error

RUNS_LISTED = 50


@dataclass(frozen=True)
class KnownModel:
    """A line of the list."""

    model: str
    """A name as `--model` takes it."""
    adapter: str
    """The id of a run; empty for the base model."""
    words: str
    """What it is, in a few words."""


class ModelDialog(Dialog[tuple[str, str]]):
    """Returns (model, adapter)."""

    AUTO_FOCUS = "Input"
    TITLE_WORDS = "Model"
    BINDINGS: ClassVar[list[BindingType]] = key_bindings("model")
    DEFAULT_CSS = """
    ModelDialog OptionList {
        height: auto; max-height: 12; border: none; background: $surface; padding: 0; scrollbar-size-vertical: 1;
    }
    """

    def __init__(self, model: str, adapter: str) -> None:
        super().__init__()
        self._model, self._adapter = model, adapter
        self._choices: list[KnownModel] = []

    def compose_dialog(self) -> ComposeResult:
        yield Static(
            "A model folder, a hub name or demo. " + key_hints("Enter chooses", ("list", "model.go_to_list")),
            classes="hint",
        )
        field = Input(self._model, placeholder="folder or name")
        field.cursor_blink = False
        yield field
        yield Static(classes="trouble")
        yield OptionList()

    def on_mount(self) -> None:
        self.query_one(".trouble").display = False
        self.run_worker(self._read_choices, thread=True, group="known", exit_on_error=False)

    def _read_choices(self) -> None:
        """In a thread: the list comes from the disk."""
        try:
            choices = known_choices(self._model)
        except (OSError, SuironError) as error:
            self.app.call_from_thread(self._show_trouble, readable_error(error, self._model))
        else:
            self.app.call_from_thread(self._show, choices)

    def _show(self, choices: list[KnownModel]) -> None:
        self._choices = choices
        options = self.query_one(OptionList)
        options.clear_options()
        for choice in choices:
            mark = "● " if (choice.model, choice.adapter) == (self._model, self._adapter) else "  "
            name = choice.adapter or choice.model
            options.add_option(
                Option(
                    Content(f"{mark}{safe_line(name, 120)}  ")
                    + Content.styled(safe_line(choice.words, 120), "$text-muted")
                )
            )

    def action_to_list(self) -> None:
        options = self.query_one(OptionList)
        if options.highlighted is None and options.option_count:
            names = [(choice.model, choice.adapter) for choice in self._choices]
            current = (self._model, self._adapter)
            options.highlighted = names.index(current) if current in names else 0
        options.focus()

    @on(Input.Submitted)
    def _typed(self, event: Input.Submitted) -> None:
        name = event.value.strip()
        if name:
            self._check(name, self._adapter if name == self._model else "")

    @on(OptionList.OptionSelected)
    def _picked(self, event: OptionList.OptionSelected) -> None:
        choice = self._choices[event.option_index]
        self._check(choice.model, choice.adapter)

    def _check(self, model: str, adapter: str) -> None:
        self.query_one(".trouble").display = False
        self.run_worker(
            partial(self._check_in_thread, model, adapter),
            thread=True,
            exclusive=True,
            group="check",
            exit_on_error=False,
        )

    def _check_in_thread(self, model: str, adapter: str) -> None:
        worker = get_current_worker()
        try:
            from core.models.resolve import resolve_model

            resolve_model(model)
        except Exception as error:  # whatever the reader raises is shown, and the app keeps running
            if not worker.is_cancelled:
                self.app.call_from_thread(self._show_trouble, readable_error(error, model))
        else:
            if not worker.is_cancelled:
                self.app.call_from_thread(self.dismiss, (model, adapter))

    def _show_trouble(self, error: SuironError) -> None:
        trouble = self.query_one(".trouble", Static)
        trouble.display = True
        trouble.update(Content(safe_line(str(error), 1000)))


def known_choices(current: str) -> list[KnownModel]:
    """The demo, the runs with an adapter, the models of runs, and the models in the cache. Reads the disk."""
    from core.base import folders
    from core.runs.run_folder import list_training_runs

    adapters: list[KnownModel] = []
    used: list[str] = []
    for run in list_training_runs()[:RUNS_LISTED]:
        try:
            name = run.spec().model.name
        except SuironError:
            # a run whose specification cannot be read names no model; the train room shows what is wrong
            continue
        used.append(name)
        if (run.adapter / "adapter_config.json").is_file():
            adapters.append(KnownModel(name, run.id, f"adapter, on {name}"))
    cached = [
        str(path)
        for path in sorted(folders.models().iterdir())
        if path.name != "demo" and (path / "config.json").is_file()
    ]
    bases = [KnownModel("demo", "", "the embedded model")]
    bases += [KnownModel(name, "", "used before") for name in dict.fromkeys([current, *used]) if name != "demo"]
    bases += [KnownModel(name, "", "in the cache") for name in cached if name not in used and name != current]
    return [bases[0], *adapters, *bases[1:]]
