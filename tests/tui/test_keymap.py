"""The user's keymap: what counts, what is named and skipped, and that every place where a key is shown follows it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from core.base import folders
from tests.support.rooms import row, write_rows
from tools.key_table import HEAD
from tui.actions import ACTIONS, key_bindings, use_keymap
from tui.actions.all_actions import builtin_keys
from tui.actions.current_keys import Keymap, keymap_file
from tui.actions.key_names import parse_key, shown_key
from tui.actions.keymap import MAX_BYTES, check_keymap, read_keymap

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    ("texts", "key"),
    [
        (("ctrl+t", "^t", "Ctrl+T", "control+t", " ^T "), "ctrl+t"),
        (("f5", "F5"), "f5"),
        (("/", "slash"), "slash"),
        (("?", "question_mark"), "question_mark"),
        (("S", "shift+s"), "S"),
        (("Esc", "escape", "ESC"), "escape"),
        (("⏎", "enter", "Return"), "enter"),
        (("PgDn", "pagedown", "page_down"), "pagedown"),
        (("⇧Tab", "shift+tab"), "shift+tab"),
        (("↑", "up"), "up"),
        (("+", "plus"), "plus"),
        (("ctrl++", "ctrl+plus"), "ctrl+plus"),
        ((",", "comma"), "comma"),
        (("Alt+x", "meta+x"), "alt+x"),
        (("立",), "立"),
    ],
)
def test_a_key_may_be_written_in_several_ways(texts: tuple[str, ...], key: str) -> None:
    assert {parse_key(text) for text in texts} == {key}
    assert parse_key(shown_key(key)) == key


@pytest.mark.parametrize("text", ["", "ctrl+", "nosuch", "ctrl+nosuch", "hyper+x", "\x1b", "f99", "a b", "k" * 1000])
def test_what_is_no_key_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no such key"):
        parse_key(text)


def test_every_builtin_key_can_be_written_as_it_is_shown() -> None:
    assert not [
        (action.id, key)
        for action in ACTIONS
        for key in builtin_keys(action)
        if parse_key(shown_key(key)) != key or parse_key(key) != key
    ]


def test_keys_replace_the_builtin_ones_and_may_be_swapped() -> None:
    keymap = check_keymap({"data.undo": "d", "data.delete_row": ["u", "ctrl+d"], "data.next_row": [], "app.data": 9})
    assert keymap.keys == {
        "data.undo": ("d",),
        "data.delete_row": ("u", "ctrl+d"),
        "data.next_row": (),
        "app.data": ("9",),
    }
    assert keymap.problems == ("app.data: while a text field has the focus, 9 types a character.",)


def test_unknown_ids_are_named_with_the_nearest() -> None:
    keymap = check_keymap({"data.unod": "z", "data.undo": "z", "\x1b[31m" * 50: "z"})
    assert keymap.keys == {"data.undo": ("z",)} or keymap.keys == {}
    assert "'data.unod' is not an action; did you mean data.undo?" in keymap.problems


@pytest.mark.parametrize("value", [True, None, 1.5, {"a": "b"}, ["u", None], "nosuch", ["ctrl+"]])
def test_what_is_no_key_is_named_and_skipped(value: object) -> None:
    keymap = check_keymap({"data.undo": value, "data.redo": "R"})
    assert keymap.keys == {"data.redo": ("R",)} and len(keymap.problems) == 1
    assert keymap.problems[0].startswith("data.undo: ") and "is not a key" in keymap.problems[0]


@pytest.mark.parametrize(
    ("entries", "clash"),
    [
        ({"data.undo": "r"}, "data.undo: r is already the key of data.redo."),
        ({"data.undo": "f7"}, "data.undo: F7 is already the key of app.model."),
        ({"data.undo": "?"}, "data.undo: ? is already the key of app.help."),
        ({"app.model": "d"}, "app.model: d is already the key of data.delete_row."),
        ({"list.choose": "q"}, "list.choose: q is already the key of dialog.close."),
        ({"doctor.fix": "f9"}, "doctor.fix: F9 is already the key of app.quit."),
        ({"preset.next_preset": "Y"}, "preset.next_preset: Y is already the key of train.toggle_log_scale."),
    ],
)
def test_a_key_that_would_mean_two_things_is_named_and_skipped(entries: dict[str, str], clash: str) -> None:
    keymap = check_keymap({**entries, "chat.toggle_base": "ctrl+n"})
    assert keymap.keys == {"chat.toggle_base": ("ctrl+n",)} and keymap.problems == (clash,)


def test_of_two_entries_that_clash_the_first_counts() -> None:
    keymap = check_keymap({"data.undo": "Z", "data.redo": "Z"})
    assert keymap.keys == {"data.undo": ("Z",)}
    assert keymap.problems == ("data.redo: Z is already the key of data.undo.",)


def test_an_entry_that_is_skipped_takes_its_builtin_key_back() -> None:
    keymap = check_keymap({"data.undo": "r", "data.delete_row": "u"})
    assert keymap.keys == {} and len(keymap.problems) == 2


def test_the_same_key_in_two_rooms_is_no_clash() -> None:
    assert check_keymap({"data.undo": "Z", "prompts.toggle_ids": "Z"}).problems == ()


def test_a_key_that_two_actions_share_already_is_no_clash() -> None:
    assert check_keymap({"path.go_to_list": ["down", "ctrl+n"]}).problems == ()


@pytest.mark.parametrize("id", ["app.quit", "app.help"])
def test_quit_and_help_keep_a_key(id: str) -> None:
    keymap = check_keymap({id: []})
    assert keymap.keys == {} and keymap.problems == (f"{id}: it needs a key; the built-in one stays.",)
    assert check_keymap({id: "ctrl+n"}).keys == {id: ("ctrl+n",)}


def test_keys_of_terminals_and_text_fields_are_only_warned_of() -> None:
    keymap = check_keymap({"data.undo": "ctrl+s", "app.model": "ctrl+k", "chat.ask_question": "g"})
    assert len(keymap.keys) == 3
    assert keymap.problems == (
        "data.undo: many terminals reserve ^s.",
        "app.model: text fields lose their own use of ^k.",
        "chat.ask_question: while a text field has the focus, g types a character.",
    )


def test_the_example_in_the_docs_is_a_keymap_without_problems() -> None:
    example = re.search(r"```yaml\n(.*?)```", HEAD, re.DOTALL)
    assert example is not None
    keymap = written(example[1].encode())
    assert len(keymap.keys) == 5 and keymap.problems == ()


def written(content: bytes) -> Keymap:
    keymap_file().write_bytes(content)
    return read_keymap()


def test_no_file_and_an_empty_one_change_nothing() -> None:
    assert read_keymap() == Keymap() == written(b"") == written(b"# nothing yet\n")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"data.undo: z\n" + b"#" * MAX_BYTES, "larger than 64 KiB"),
        (b"data.undo: !!python/object/apply:os.system [true]", "not YAML"),
        (b"a: &a [x]\nb: *a", "anchors"),
        (b"data.undo: \xff\xfe", "not UTF-8"),
        (b"[" * 10_000, "nested too deeply"),
        (b"data.undo: [z", "not YAML in line"),
        (b"- data.undo", "must map action ids to keys"),
        (b"just words", "must map action ids to keys"),
        (b"{[a]: b}", "not YAML"),
    ],
)
def test_a_hostile_file_is_named_and_changes_nothing(content: bytes, words: str) -> None:
    keymap = written(content)
    assert keymap.keys == {} and len(keymap.problems) == 1 and words in keymap.problems[0]


def test_ten_thousand_wrong_ids_are_read_at_once() -> None:
    began = time.monotonic()
    keymap = written(b"".join(b"a%d: z\n" % number for number in range(7_000)))
    assert len(keymap.problems) == 7_000 and time.monotonic() - began < 5.0


def test_a_file_that_cannot_be_read_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    keymap_file().mkdir()
    assert "is not a file" in read_keymap().problems[0]
    keymap_file().rmdir()
    os.mkfifo(keymap_file())
    assert "is not a file" in read_keymap().problems[0]
    keymap_file().unlink()
    keymap_file().write_text("data.undo: z")

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    assert read_keymap().problems == ("keys.yaml cannot be read (Permission denied). All keys stay as they are.",)


def test_the_keymap_comes_before_the_first_class_with_bindings() -> None:
    key_bindings("app")
    with pytest.raises(RuntimeError):
        use_keymap(Keymap())


SCRIPT = """
import asyncio, json, sys
from tui.actions import use_keymap
from tui.actions.keymap import read_keymap
use_keymap(read_keymap())
from tests.support.rooms import until
from tools.key_table import key_page
from tui.actions import key_of
from tui.app import SuironApp
from tui.common.key_bar import KeyBar
from tui.palette import SuironCommands

async def main():
    app = SuironApp(sys.argv[1])
    async with app.run_test(size=(150, 40)) as pilot:
        await until(pilot, lambda: app.dataset is not None and app.screen.rows.table.row_at(0) is not None)
        seen = {"footer": str(app.screen.query_one(KeyBar).render()), "page": key_page(), "undo": key_of("data.undo")}
        seen["told"] = [note.message for note in app._notifications]
        seen["palette"] = [hit.text async for hit in SuironCommands(app.screen).discover()]
        await pilot.press("d")  # no longer deletes
        await pilot.press("X")
        await until(pilot, lambda: "deleted" in str(app.screen.query_one("#message").visual))
        seen["said"] = str(app.screen.query_one("#message").visual)
        await pilot.press("ctrl+u")
        await until(pilot, lambda: "deleted" not in str(app.screen.query_one("#message").visual))
        await pilot.press("ctrl+n")
        await until(pilot, lambda: getattr(app.screen, "SCOPE", "") == "help")
        seen["help"] = "\\n".join(str(part.visual) for part in app.screen.query("Static"))
        await pilot.press("ctrl+n")
        await until(pilot, lambda: getattr(app.screen, "SCOPE", "") == "data")
        await pilot.press("f12")
        await until(pilot, lambda: not app.is_running or app._exit)
    print(json.dumps(seen))

asyncio.run(main())
"""


def test_a_keymap_changes_footer_help_palette_sentences_and_the_page_of_keys(tmp_path: Path) -> None:
    path = write_rows(tmp_path / "rows.jsonl", [row(index) for index in range(5)])
    (folders.config() / "keys.yaml").write_text(
        "data.undo: [^u]\ndata.delete_row: X\ndata.search: []\napp.help: ctrl+n\napp.quit: F12\ndata.redo: '\\x1b[2J'\n"
    )
    script = [sys.executable, "-c", SCRIPT, str(path)]
    ended = subprocess.run(script, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert ended.returncode == 0, ended.stderr
    seen = json.loads(ended.stdout)
    assert seen["footer"].startswith("l Lang ") and "^u Undo" in seen["footer"]
    assert "^n Help" in seen["footer"] and "F12 Quit" in seen["footer"]
    assert seen["undo"] == "^u" and "^u restores it" in seen["said"]
    assert str(folders.config() / "keys.yaml") in seen["help"]
    assert "  ^u " in seen["help"] and "  X " in seen["help"] and "  – " in seen["help"]
    assert "Data: Undo  (^u)" in seen["palette"] and "Data: Search" in seen["palette"]
    assert "| `^u` | Undo |" in seen["page"] and "| – | Search |" in seen["page"]
    [told] = seen["told"]
    assert "data.redo" in told and "F12" in told and "\x1b" not in told
