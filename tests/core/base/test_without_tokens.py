"""No token in a log, whatever quotes it."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.base.without_tokens import without_tokens
from core.runs.console_stream import DiskFullSafeStream

LETTERS = st.text("abcdefXYZ0123456789", min_size=8, max_size=40)


@given(token=LETTERS, before=st.text(max_size=20), after=st.sampled_from(["", " ", "\n", "'", '"', ", "]))
def test_a_token_is_taken_out_wherever_it_stands(token: str, before: str, after: str) -> None:
    for secret, text in (
        (f"hf_{token}", f"{before} hf_{token}{after}"),
        (token, f"Authorization: Bearer {token}{after}"),
    ):
        assert secret not in without_tokens(text)


def test_the_value_of_a_variable_is_taken_out_in_any_form(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "secret-of-an-unusual-form")
    assert without_tokens("401 for secret-of-an-unusual-form at x") == "401 for ... at x"
    monkeypatch.setenv("HF_TOKEN", "a")  # too short to be one
    assert without_tokens("a banana") == "a banana"


def test_other_text_stays() -> None:
    text = "loading half_a_model from /models/hf_home: 3 of 7, `bearer of news`"
    assert without_tokens("loading /models/hf_home") == "loading /models/hf_home"
    assert "3 of 7" in without_tokens(text)


def test_consoles_keep_none() -> None:
    kept = io.StringIO()
    assert DiskFullSafeStream(kept).write("token hf_abcdefghijk\n") == 21
    assert kept.getvalue() == "token hf_...\n"
