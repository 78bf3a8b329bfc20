"""Theme files: Suiron's own are whole, and none of the user's can hurt."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from textual.color import Color

from tests.support.rooms import until
from tui import themes
from tui.app import SuironApp

GOOD = (themes.FOLDER / "suiron-dark.yaml").read_text(encoding="utf-8")


def write(name: str, text: str) -> Path:
    folder = Path(os.environ["SUIRON_CONFIG"]) / "themes"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def named(name: str) -> str:
    return GOOD.replace("name: suiron-dark", f"name: {name}")


def own() -> list[Path]:
    return sorted(themes.FOLDER.glob("*.yaml"))


@pytest.mark.parametrize("path", own(), ids=lambda path: path.stem)
def test_own_themes_set_every_variable_the_rooms_use(path: Path) -> None:
    theme = themes.load_theme(path)
    assert set(themes.DEFAULTS) <= set(theme.variables)
    assert theme.name == path.stem


def test_there_are_a_dark_a_light_and_a_sixteen_colour_theme() -> None:
    loaded = {path.stem: themes.load_theme(path) for path in own()}
    assert loaded["suiron-dark"].dark and not loaded["suiron-light"].dark
    sixteen = loaded["suiron-16"]
    colours = [
        sixteen.primary,
        sixteen.foreground,
        sixteen.background,
        *(v for k, v in sixteen.variables.items() if not k.endswith("-style")),
    ]
    assert all(Color.parse(colour).ansi is not None for colour in colours if colour)


@pytest.mark.parametrize(
    ("change", "key"),
    [
        (('primary: "#7aa2d8"', 'primary: "bluish"'), "colours.primary"),
        (('primary: "#7aa2d8"', 'primery: "#7aa2d8"'), "did you mean primary"),
        (("dark: true", "dark: sometimes"), "dark"),
        (("name: suiron-dark", "name: other"), "name"),
        (('line: "#7fc1d8"', "line: 7"), "chart.line"),
        (
            ('block-cursor-text-style: "bold"', 'block-cursor-text-style: "bold; display: none"'),
            "variables.block-cursor-text-style",
        ),
        (
            ('footer-key-foreground: "#d9a05b"', 'footer-key-foreground: "red; } * { display: none"'),
            "variables.footer-key-foreground",
        ),
        (("colours:", "colours: &a"), "anchors"),
        (("reasoning:", "thinking:"), "thinking"),
        (("name: suiron-dark", "name: [[[[[[[[1]]]]]]]]"), "nested"),
        (("name: suiron-dark", "name: 'x"), "YAML in line"),
        (("name: suiron-dark", "name: !!python/object/apply:os.system [id]"), "tag"),
    ],
)
def test_a_bad_file_is_refused_with_the_key_that_is_wrong(change: tuple[str, str], key: str) -> None:
    assert change[0] in GOOD
    path = write("suiron-dark", GOOD.replace(*change, 1))
    with pytest.raises(themes.ThemeError) as caught:
        themes.load_theme(path)
    assert key in caught.value.what and caught.value.where == str(path) and caught.value.do


def test_bombs_and_huge_files_are_refused_before_they_grow() -> None:
    bomb = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
        f"{b}: &{b} [{','.join(['*' + a] * 9)}]\n" for a, b in zip("abcdefgh", "bcdefghi", strict=True)
    )
    for text in (bomb, GOOD + "#" * themes.MAX_BYTES, "[" * 60_000, "\x00", ""):
        with pytest.raises(themes.ThemeError):
            themes.load_theme(write("bad", text))


@given(st.binary(max_size=400))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_bytes_break_the_loader(tmp_path: Path, block: bytes) -> None:
    path = tmp_path / "x.yaml"
    path.write_bytes(block)
    with pytest.raises(themes.ThemeError):
        themes.load_theme(path)


async def test_users_themes_are_listed_and_bad_ones_told_once() -> None:
    write("mine", named("mine"))
    write("broken", named("broken").replace('primary: "#7aa2d8"', 'primary: "[/] no colour"'))
    write("empty", "")
    app = SuironApp()
    async with app.run_test() as pilot:
        await until(pilot, lambda: "mine" in app.available_themes)
        assert "mine" in app.theme_names() and "broken" not in app.theme_names()
        await until(pilot, lambda: len(app._notifications) == 1)
        [told] = app._notifications
        assert "broken.yaml" in told.message and "colours.primary" in told.message and "empty.yaml" in told.message
        assert not told.markup


@pytest.mark.parametrize("name", [path.stem for path in own()])
async def test_a_theme_chosen_is_remembered_and_every_room_stands_in_it(name: str, rows_file: Path) -> None:
    app = SuironApp(str(rows_file))
    async with app.run_test() as pilot:
        await until(pilot, lambda: name in app.available_themes)
        await app.choose_theme(name)
        for room in ("train", "chat", "data"):
            await app.action_switch_mode(room)
            await pilot.pause()
    again = SuironApp()
    async with again.run_test():
        assert again.theme == name


async def test_a_broken_theme_of_the_last_session_falls_back() -> None:
    path = write("mine", named("mine"))
    app = SuironApp()
    async with app.run_test() as pilot:
        await until(pilot, lambda: "mine" in app.available_themes)
        await app.choose_theme("mine")
    path.write_text("name: mine\n", encoding="utf-8")
    again = SuironApp()
    async with again.run_test() as pilot:
        assert again.theme == themes.FALLBACK
        await until(pilot, lambda: len(again._notifications) == 1)


@pytest.mark.parametrize("path", own(), ids=lambda path: path.stem)
def test_muted_text_has_a_colour_of_its_own(path: Path) -> None:
    """One that is relative to what lies behind comes out as plain white or black within a line of several colours."""
    theme = themes.load_theme(path)
    muted = theme.variables["text-muted"]
    assert not Color.parse(muted).auto and Color.parse(muted) != Color.parse(str(theme.foreground))
