"""URLs as people write them, and keys that come from the environment alone."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.base import folders
from core.base.errors import UsageError
from core.engine.remote.server_address import is_server_url, parse_server_url, server_key

KEY = "k" * 30


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("http://localhost:8000", "http://localhost:8000/v1"),
        ("http://localhost:8000/", "http://localhost:8000/v1"),
        (" https://api.example.org/v1/ ", "https://api.example.org/v1"),
        ("https://example.org/openai/v1/chat/completions", "https://example.org/openai/v1"),
        ("HTTPS://EXAMPLE.org/v1/models", "https://example.org/v1"),
        ("http://[::1]:80", "http://[::1]:80/v1"),
    ],
)
def test_a_url_is_read_as_people_write_it(text: str, url: str) -> None:
    assert is_server_url(text)
    assert parse_server_url(text).url == url
    assert parse_server_url(url).url == url


@pytest.mark.parametrize(
    "text",
    [
        "ftp://a.example", "http://", "http://a b", "http://a:99999", "http://a/?x=1", "http://[::1", "http://a/#x",
        "http://a\r\nX-Evil:1", "https://" + "a" * 3000, "localhost:8000",
    ],
)  # fmt: skip
def test_what_is_no_url_is_refused_in_three_parts(text: str) -> None:
    with pytest.raises(UsageError) as refused:
        parse_server_url(text)
    assert refused.value.what
    assert refused.value.do


def test_a_key_in_a_url_is_refused_and_not_quoted() -> None:
    with pytest.raises(UsageError) as refused:
        parse_server_url(f"https://user:{KEY}@example.org/v1")
    assert KEY not in str(refused.value)


@given(st.text(max_size=60))
def test_any_text_is_a_url_or_refused(text: str) -> None:
    try:
        address = parse_server_url(text)
    except UsageError:
        return
    assert parse_server_url(address.url) == address


@pytest.mark.parametrize(
    ("url", "local"),
    [
        ("http://127.0.0.1:1", True),
        ("http://127.9.9.9:1", True),
        ("http://[::1]:1", True),
        ("http://localhost:1", True),
        ("http://127.0.0.1.example.org", False),
        ("http://localhost.example.org", False),
        ("http://192.168.0.1", False),
    ],
)
def test_only_this_machine_is_local(url: str, local: bool) -> None:
    assert parse_server_url(url).is_local is local


def test_a_key_crosses_no_network_unencrypted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUIRON_API_KEY", KEY)
    assert server_key(parse_server_url("https://example.org")) == KEY
    assert server_key(parse_server_url("http://127.0.0.1:8000")) == KEY
    with pytest.raises(UsageError) as refused:
        server_key(parse_server_url("http://192.168.0.7:8000"))
    assert KEY not in str(refused.value)


def test_the_users_file_names_the_variable_of_a_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUIRON_API_KEY", KEY)
    monkeypatch.setenv("OTHER_KEY", "other")
    file = folders.config() / "servers.yaml"
    file.write_text("https://a.example/v1: OTHER_KEY\nhttp://box.lan:8000:\n")
    assert server_key(parse_server_url("https://a.example")) == "other"
    assert server_key(parse_server_url("http://box.lan:8000/v1")) == ""
    assert server_key(parse_server_url("https://b.example")) == KEY


@pytest.mark.parametrize("content", ["- a\n", "https://a.example: [1]\n", "a: &x b\n", "no url: X\n"])
def test_a_bad_file_is_named(content: str) -> None:
    file: Path = folders.config() / "servers.yaml"
    file.write_text(content)
    with pytest.raises(UsageError) as refused:
        server_key(parse_server_url("https://a.example"))
    assert refused.value.do


@pytest.mark.parametrize("key", ["a b", "a\nb", "schlüssel"])
def test_a_key_that_no_header_can_have_is_refused_unquoted(key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUIRON_API_KEY", key)
    with pytest.raises(UsageError) as refused:
        server_key(parse_server_url("https://a.example"))
    assert key not in str(refused.value)
