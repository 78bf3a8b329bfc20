"""The dialog that chooses a model: a folder, a hub name or a server's URL typed in, or one from the list of known ones.

It returns only a model that resolves, or one of a server that answered.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
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
from core.engine.remote.recent_servers import ServerModel, recent_servers, remember_server
from core.engine.remote.server_address import is_server_url
from tui.actions import key_bindings, key_hints
from tui.common.dialog import Dialog
from tui.common.readable_error import readable_error

RUNS_LISTED = 50
NO_SERVER = ServerModel("", "")


@dataclass(frozen=True)
class KnownModel:
    """A line of the list."""

    model: str
    """A name as `--model` takes it."""
    adapter: str
    """The id of a run; empty for the base model."""
    words: str
    """What it is, in a few words."""
    server: str = ""
    """The URL of the server that has it; empty for a model of this machine."""


class ModelDialog(Dialog[tuple[str, str] | ServerModel]):
    """Returns (model, adapter), or the model of a server."""

    AUTO_FOCUS = "Input"
    TITLE_WORDS = "Model"
    BINDINGS: ClassVar[list[BindingType]] = key_bindings("model")
    DEFAULT_CSS = """
    ModelDialog OptionList {
        height: auto; max-height: 12; border: none; background: $surface; padding: 0; scrollbar-size-vertical: 1;
    }
    """

    def __init__(self, model: str, adapter: str, server: ServerModel = NO_SERVER) -> None:
        """server: the one that answers in the chat, if any."""
        super().__init__()
        self._model, self._adapter, self._server = model, adapter, server
        self._choices: list[KnownModel] = []

    def compose_dialog(self) -> ComposeResult:
        yield Static(
            "A model folder, a hub name, demo, or the URL of an OpenAI-compatible server (and a model's name). "
            + key_hints("Enter chooses", ("list", "model.go_to_list")),
            classes="hint",
        )
        field = Input(self._server.url or self._model, placeholder="folder, name or URL")
        field.cursor_blink = False
        yield field
        yield Static(classes="trouble")
        yield Static(classes="state hint")
        yield OptionList()

    def on_mount(self) -> None:
        self._show_state("")
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
            mark = "● " if self._is_current(choice) else "  "
            name = choice.adapter or choice.model
            options.add_option(
                Option(
                    Content(f"{mark}{safe_line(name, 120)}  ")
                    + Content.styled(safe_line(choice.words, 120), "$text-muted")
                )
            )

    def _is_current(self, choice: KnownModel) -> bool:
        if self._server.url:
            return (choice.server, choice.model) == (self._server.url, self._server.model)
        return not choice.server and (choice.model, choice.adapter) == (self._model, self._adapter)

    def action_to_list(self) -> None:
        options = self.query_one(OptionList)
        if options.highlighted is None and options.option_count:
            current = [index for index, choice in enumerate(self._choices) if self._is_current(choice)]
            options.highlighted = current[0] if current else 0
        options.focus()

    @on(Input.Submitted)
    def _typed(self, event: Input.Submitted) -> None:
        name = event.value.strip()
        if is_server_url(name):
            url, _, model = name.partition(" ")
            self._ask_server(url, model.strip())
        elif name:
            self._check(name, self._adapter if name == self._model else "")

    @on(OptionList.OptionSelected)
    def _picked(self, event: OptionList.OptionSelected) -> None:
        choice = self._choices[event.option_index]
        if choice.server:
            self._ask_server(choice.server, choice.model)
        else:
            self._check(choice.model, choice.adapter)

    def _check(self, model: str, adapter: str) -> None:
        self._show_state("")
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

    def _ask_server(self, url: str, model: str) -> None:
        self._show_state("Contacting the server")
        self.run_worker(self._contact(url, model), exclusive=True, group="check", exit_on_error=False)

    async def _contact(self, url: str, model: str) -> None:
        """Choose the model of the server, or its only one; where it has several, list them."""
        try:
            from core.engine.remote_client import RemoteClient

            client = RemoteClient(url)
            try:
                names = [] if model else await client.models()
                if len(names) <= 1:
                    chosen = await client.ensure(model, "", lambda status: None)
                    server = ServerModel(client.address.url, chosen.model)
                    with suppress(OSError):  # a list that cannot be saved is not worth a message
                        await asyncio.to_thread(remember_server, server)
                    self.dismiss(server)
                    return
            finally:
                await client.close()
        except SuironError as error:
            self._show_trouble(error)
        else:
            host = client.address.host
            self._show([KnownModel(name, "", f"at {host}", client.address.url) for name in names])
            self._show_state(f"{len(names)} models at {host}: choose one")
            self.query_one(OptionList).highlighted = 0
            self.action_to_list()

    def _show_state(self, words: str) -> None:
        self.query_one(".trouble").display = False
        state = self.query_one(".state", Static)
        state.display = bool(words)
        state.update(Content(safe_line(words)))

    def _show_trouble(self, error: SuironError) -> None:
        self._show_state("")
        trouble = self.query_one(".trouble", Static)
        trouble.display = True
        trouble.update(Content(safe_line(str(error), 1000)))


def known_choices(current: str) -> list[KnownModel]:
    """The demo, the runs with an adapter, the servers asked before, the models of runs and of the cache. Reads the
    disk."""
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
    servers = [
        KnownModel(server.model, "", f"at {server.url}, asked before", server.url) for server in recent_servers()
    ]
    return [bases[0], *adapters, *servers, *bases[1:]]
