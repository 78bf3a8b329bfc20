"""The run that a session describes, on the data as they are open."""

from __future__ import annotations

import json
from pathlib import Path

from core.data.columns.mapping_words import mapping_from_words
from core.data.source import open_data
from core.session import Session
from tui.common.run_settings import session_spec

COLUMNS = {"instruction": "question", "output": "other"}


def test_columns_chosen_for_this_session_are_those_of_its_run(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps({"question": "Why?", "answer": "So.", "other": "No."}) + "\n")
    session = Session(data=str(path), model="demo")
    chosen, guessed = open_data(str(path), mapping=mapping_from_words(COLUMNS)), open_data(str(path))
    assert session_spec(session, chosen)[0].data.columns == COLUMNS
    assert session_spec(session, guessed)[0].data.columns is None and session_spec(session)[0].data.columns is None
    other = Session(data="demo", model="demo")
    assert session_spec(other, chosen)[0].data.columns is None  # the data of another session
