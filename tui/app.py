"""The app: its rooms, what is open in them, and where the user was.

Knows no rows, tokens or runs; each room does its own work. Rooms are imported when they are first shown. Nothing here
waits for a disk, a model or a network: such work runs in threads or other processes.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, cast

import msgspec
from textual.app import ScreenStackError
from textual.binding import BindingType
from textual.command import Provider
from textual.message import Message
from textual.screen import ModalScreen, Screen
from textual.worker import get_current_worker

from core.base.errors import SuironError
from core.base.paths import absolute_name
from core.base.safe_text import safe_line
from core.data.filters import RowFilters
from core.data.locate.source_name import resolve_source_name
from core.session import Session, load_session
from tui import themes
from tui.actions import Action, key_bindings, key_of, keymap_in_force
from tui.common.readable_error import readable_error
from tui.messages import (
    AskRow,
    AskRun,
    CloneSettings,
    DataFailed,
    DataOpened,
    DataOpening,
    ModelChosen,
    RunsMarked,
    ShowRun,
)
from tui.session_keeper import SessionKeeper
from tui.typed_order import TypedOrder

if TYPE_CHECKING:
    from core.data.columns.mapping import ColumnMapping
    from core.data.dataset import DataSet
    from core.engine.protocol import Engine
    from core.engine.remote.recent_servers import ServerModel
    from tui.common.room import Room
    from tui.follower import RunFollower

ROOM_CLASSES = {
    "data": ("tui.data.screen", "DataScreen"),
    "train": ("tui.train.screen", "TrainScreen"),
    "runs": ("tui.runs.screen", "RunsScreen"),
    "chat": ("tui.chat.screen", "ChatScreen"),
    "prompts": ("tui.prompts.screen", "PromptsScreen"),
}
PROGRESS_EVERY = 0.25  # seconds between two messages about a source that takes long to open
LEAVE_AGAIN = 3.0  # seconds in which a second press quits
PROBLEMS_SHOWN = 8  # of keys.yaml, in one notification


def _commands() -> type[Provider]:
    from tui.palette import SuironCommands

    return SuironCommands


class SuironApp(TypedOrder, inherit_bindings=False):
    """The Textual app.

    data, split, model: from the command line; None takes the last session's. engine: None lets the chat start one.
    """

    TITLE = "Suiron"
    BINDINGS: ClassVar[list[BindingType]] = key_bindings("app")
    COMMANDS: ClassVar[set[type[Provider] | Callable[[], type[Provider]]]] = {_commands}
    CSS = """
    Input, TextArea { scrollbar-size-vertical: 1; }
    Toast { max-width: 76; }
    """

    def __init__(
        self, data: str | None = None, split: str | None = None, model: str | None = None, engine: Engine | None = None
    ) -> None:
        self.session = _first_session(load_session(), data, split, model)
        # Textual takes its first mode from the class. Here the session decides, so that no empty screen is made first.
        self.DEFAULT_MODE = self.session.screen  # type: ignore[misc]
        super().__init__()
        self.engine = engine
        self.dataset: DataSet | None = None
        self.data_error: tuple[str, SuironError] | None = None  # the source that could not be opened, and why
        self.rooms: dict[str, Room] = {}
        self.follower: RunFollower | None = None
        self.marked_runs: tuple[str, ...] = ()  # in the Runs room, to be laid over charts
        self._theme_files: dict[str, Path] = {}
        self._keeper = SessionKeeper(self)
        self._leaving = -LEAVE_AGAIN  # time.monotonic() of the first press
        for name in ROOM_CLASSES:
            self.add_mode(name, partial(self._make_room, name))
        self._first_theme()

    def _make_room(self, name: str) -> Screen[Any]:
        module, class_name = ROOM_CLASSES[name]
        room = getattr(import_module(module), class_name)()
        self.rooms[name] = room
        return cast("Screen[Any]", room)

    def on_mount(self) -> None:
        self._keeper.watch_signals()
        self.call_after_refresh(self._after_first_paint)

    def on_unmount(self) -> None:
        self._keeper.stop()

    def _after_first_paint(self) -> None:
        self.open_data(self.session.data, self.session.split)
        self._name_keymap_problems()
        self.run_worker(self._read_themes, thread=True, group="themes")
        self._follow_runs()

    def _follow_runs(self) -> None:
        from tui.follower import RunFollower

        self.follower = RunFollower(self)
        self.run_worker(self.follower.follow(), group="follower")

    def look_at_runs(self) -> None:
        """Look at the run folders now: something was started or asked."""
        if self.follower is not None:
            self.follower.look_soon()

    def tell_terminal(self, sequence: str) -> None:
        """Send a control sequence to the terminal, where there is one."""
        if self._driver is not None and not self.is_headless:
            self._driver.write(sequence)

    def _name_keymap_problems(self) -> None:
        problems = keymap_in_force().problems
        if not problems:
            return
        lines = [safe_line(problem, 200) for problem in problems[:PROBLEMS_SHOWN]]
        if len(problems) > PROBLEMS_SHOWN:
            lines.append(f"… and {len(problems) - PROBLEMS_SHOWN} more")
        self.notify("\n".join(lines), title="Keys in keys.yaml", severity="warning", timeout=15, markup=False)

    # -- rooms --

    def post_to_rooms(self, make: Callable[[], Message]) -> None:
        """Post a message of its own to every room that has been shown."""
        for room in self.rooms.values():
            room.post_message(make())

    async def action_switch_mode(self, mode: str) -> None:
        await self.switch_mode(mode)
        self.remember(screen=mode)

    async def perform(self, action: Action) -> None:
        """Run an action of the table in its room, as the palette does."""
        if action.scope != "app":
            await self.action_switch_mode(action.scope)
        await self.run_action(action.run, default_namespace=self.screen if action.scope != "app" else self)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """While a dialog is open, only quitting, copying and moving the focus reach past it; the help closes itself."""
        if not isinstance(self.screen, ModalScreen) or (action == "show_help_screen" and self._help_is_open):
            return True
        return action not in ("switch_mode", "choose_model", "show_help_screen", "command_palette")

    async def on_ask_row(self, message: AskRow) -> None:
        await self.action_switch_mode("chat")
        cast("Any", self.rooms["chat"]).prefill(message.row.instruction, message.row.input, message.row.syslang)

    async def on_show_run(self, message: ShowRun) -> None:
        await self.action_switch_mode("train")
        cast("Any", self.rooms["train"]).show_run(message.run_id)

    def on_runs_marked(self, message: RunsMarked) -> None:
        self.marked_runs = message.ids

    async def on_clone_settings(self, message: CloneSettings) -> None:
        """The form takes the settings, and what they were for: the data and the model."""
        from tui.common.run_settings import cloned_settings

        settings = message.settings
        changed = cloned_settings(settings)
        self.remember(train=changed)
        source, split, model = settings["data.source"], settings["data.split"], settings["model.name"]
        if model != self.session.model:
            self.remember(model=model, adapter="")
            self.post_to_rooms(partial(ModelChosen, model, ""))
        if (source, split) != (self.session.data, self.session.split):
            self.open_data(source, split)
        await self.action_switch_mode("train")
        cast("Any", self.rooms["train"]).settings_cloned(message.run_id)

    async def on_ask_run(self, message: AskRun) -> None:
        self.remember(model=message.model, adapter=message.run_id)
        self.post_to_rooms(partial(ModelChosen, message.model, message.run_id))
        await self.action_switch_mode("chat")

    @property
    def _help_is_open(self) -> bool:
        return getattr(self.screen, "SCOPE", "") == "help"

    def action_show_help_screen(self) -> None:
        """Open the help, or close it."""
        from tui.dialogs.help_dialog import HelpDialog

        if self._help_is_open:
            self.screen.dismiss(None)
        else:
            self.push_screen(HelpDialog(getattr(self.screen, "SCOPE", "app")))

    def action_command_palette(self) -> None:
        from tui.palette import Palette

        if not isinstance(self.screen, Palette):
            self.push_screen(Palette())

    async def action_quit(self) -> None:
        """Works even while text is being edited: a single key never discards unsaved text."""
        self._leave_unless(self._unsaved_words(), key_of("app.quit"))

    def action_leave(self) -> None:
        """The key is a letter: typed for a field that lacks the focus, it must not quit the chat or discard text."""
        in_chat = self.session.screen == "chat"
        chat_words = "{key} again quits Suiron." if in_chat else ""
        self._leave_unless(self._unsaved_words() or chat_words, key_of("app.leave"))

    def _unsaved_words(self) -> str:
        """The message about unsaved text in the dialog in front or in a room; empty where there is none."""
        for screen in (*self.screen_stack, *self.rooms.values()):
            if getattr(screen, "unsaved", False):
                words = f"The text here is not saved. {key_of('editor.keep')} saves it; {{key}} again quits without it."
                return getattr(screen, "UNSAVED_WORDS", words)
        return ""

    def _leave_unless(self, words: str, key: str) -> None:
        """Quit if there are no `words` to show first, or if they were shown a moment ago."""
        now = time.monotonic()
        if not words or now - self._leaving < LEAVE_AGAIN:
            self.exit()
        else:
            self._leaving = now
            self.notify(words.format(key=key), timeout=LEAVE_AGAIN, markup=False)

    def clear_selection(self) -> None:
        """Textual 8.2.8 mounts the fields of the first screen before that screen is on the stack (on Python 3.12 and
        newer, where tasks start eagerly), and a field calls this when it is mounted."""
        with suppress(ScreenStackError):
            super().clear_selection()

    def action_copy_selection(self) -> None:
        selection = self.screen.get_selected_text()
        if selection:
            self.copy_to_clipboard(selection)
            self.notify("Copied to the clipboard of your terminal.", markup=False)
        else:
            leave = f"{key_of('app.quit')} quits Suiron; {key_of('app.leave')} too, outside text fields."
            self.notify(leave, markup=False)

    # -- data --

    def open_data(self, source: str, split: str = "", mapping: ColumnMapping | None = None) -> None:
        """Open a source in a thread; rooms get DataOpening, then DataOpened or DataFailed. A large source is opened
        early: DataOpened comes with its first rows, then again once all of it can be searched. mapping: the
        column mapping that the user has just chosen; None takes the saved one or a guess. A later call wins."""
        source = resolve_source_name(source).address
        self.post_to_rooms(partial(DataOpening, source))
        self.run_worker(
            partial(self._open_data, source, split, mapping), thread=True, exclusive=True, group="open data"
        )

    def _open_data(self, source: str, split: str, mapping: ColumnMapping | None) -> None:
        worker = get_current_worker()
        reported = 0.0

        def progress(done: int, total: int) -> None:
            nonlocal reported
            if worker.is_cancelled:
                raise InterruptedError("another source has been opened")
            if time.monotonic() - reported >= PROGRESS_EVERY:
                reported = time.monotonic()
                self.call_from_thread(
                    self.post_to_rooms, partial(DataOpening, source, done / total if total else None, early=True)
                )

        try:
            from core.data.source import count_rows, finish_import, open_early

            dataset = open_early(source, split, mapping)
            if not worker.is_cancelled:
                self.call_from_thread(self._data_opened, source, split, dataset)
            if not dataset.counted and not worker.is_cancelled and (counted := count_rows(dataset)) is not dataset:
                dataset = counted
                self.call_from_thread(self._data_opened, source, split, dataset)
            if not dataset.ready and not worker.is_cancelled:
                dataset = finish_import(dataset, progress)
                if not worker.is_cancelled:
                    self.call_from_thread(self._data_opened, source, split, dataset)
            if not worker.is_cancelled:
                _remember_opened(source, split, len(dataset))
        except Exception as error:  # whatever a reader raises is shown, and the app keeps running
            if not worker.is_cancelled:
                self.call_from_thread(self._data_failed, source, readable_error(error, source))

    def _data_opened(self, source: str, split: str, dataset: DataSet) -> None:
        self.dataset, self.data_error = dataset, None
        if (source, split) != (self.session.data, self.session.split):
            self.remember(data=source, split=split, row=0, filters=RowFilters())
        self.post_to_rooms(partial(DataOpened, dataset))

    def _data_failed(self, source: str, error: SuironError) -> None:
        self.dataset, self.data_error = None, (source, error)
        self.post_to_rooms(partial(DataFailed, source, error))

    def replace_data(self, dataset: DataSet) -> None:
        """Replace the data set by the same source with an edit: the rooms get DataOpened."""
        self.dataset = dataset
        self.post_to_rooms(partial(DataOpened, dataset))

    # -- model --

    def action_choose_model(self) -> None:
        from core.engine.remote.recent_servers import ServerModel
        from tui.dialogs.model_dialog import ModelDialog

        server = ServerModel(self.session.server, self.session.server_model)
        self.push_screen(ModelDialog(self.session.model, self.session.adapter, server), self._model_chosen)

    def _model_chosen(self, choice: tuple[str, str] | ServerModel | None) -> None:
        """A server's model answers in the chat only: training and token counts keep the model of this machine."""
        if choice is None:
            return
        if isinstance(choice, tuple):
            self.remember(model=absolute_name(choice[0]), adapter=choice[1], server="", server_model="")
        else:
            # its models are mostly trained for chats; the key of the chat chooses another template
            self.remember(server=choice.url, server_model=choice.model, template="chat")
        self.post_to_rooms(partial(ModelChosen, self.session.model, self.session.adapter))

    # -- themes --

    def get_theme_variable_defaults(self) -> dict[str, str]:
        return dict(themes.DEFAULTS)

    def theme_names(self) -> list[str]:
        return sorted(self._theme_files)

    async def choose_theme(self, name: str) -> None:
        self.theme = name
        self.remember(theme=name)

    def _first_theme(self) -> None:
        """Read the one theme that the first paint needs."""
        self._theme_files = themes.theme_files()
        for name in (self.session.theme, themes.FALLBACK):
            path = self._theme_files.get(name)
            if path is not None:
                try:
                    self.register_theme(themes.load_theme(path))
                except SuironError:
                    continue  # named with the others, once the screen is shown
                self.theme = name
                return

    def _read_themes(self) -> None:
        loaded, bad = [], []
        for path in self._theme_files.values():
            try:
                loaded.append(themes.load_theme(path))
            except SuironError as error:
                bad.append(error)
        self.call_from_thread(self._themes_read, loaded, bad)

    def _themes_read(self, loaded: list[Any], bad: list[SuironError]) -> None:
        for theme in loaded:
            if theme.name != self.theme:
                self.register_theme(theme)
        self._theme_files = {theme.name: self._theme_files[theme.name] for theme in loaded}
        if bad:
            lines = [f"{Path(error.where).name}: {error.what}" for error in bad]
            self.notify(
                "\n".join(safe_line(line, 200) for line in lines),
                title="Themes that cannot be used",
                severity="warning",
                timeout=12,
                markup=False,
            )

    # -- the session --

    def remember(self, **changes: Any) -> None:
        """Replace fields of the session. It is saved a moment later, and on exit."""
        changed = msgspec.structs.replace(self.session, **changes)
        if changed == self.session:
            return
        self.session = changed
        self._keeper.save_soon()

    @property
    def loop(self) -> asyncio.AbstractEventLoop | None:
        """The event loop while the app runs."""
        return self._loop


def _remember_opened(source: str, split: str, rows: int) -> None:
    """Add it to the list of recent sources. A list that cannot be saved is not worth a message."""
    from core.data.recent import remember_recent

    with suppress(OSError):
        remember_recent(source, split, rows)


def _first_session(session: Session, data: str | None, split: str | None, model: str | None) -> Session:
    """The session to start with: the command line wins over the last one. Another source starts at its first row,
    unfiltered."""
    if session.screen not in ROOM_CLASSES:
        session = msgspec.structs.replace(session, screen="data")
    data = resolve_source_name(data).address if data is not None else None
    model = absolute_name(model) if model is not None else None
    if data is not None and data != session.data:
        session = msgspec.structs.replace(session, data=data, split=split or "", row=0, filters=RowFilters())
    elif split is not None and split != session.split:
        session = msgspec.structs.replace(session, split=split, row=0, filters=RowFilters())
    if model is not None and model != session.model:
        session = msgspec.structs.replace(session, model=model, adapter="")
    return session
