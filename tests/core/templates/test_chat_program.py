"""The sandbox of chat templates: bounded, and in words of its own where a program fails."""

from __future__ import annotations

import pytest

from core.base.errors import UsageError
from core.templates.chat_program import render_program, template_variables


@pytest.mark.parametrize(
    "program",
    [
        "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
        "{% for a in range(4000) %}{% for b in range(4000) %}x{% endfor %}{% endfor %}",
        "{{ 'a' * 1000000000 }}",
        "{{ 10 ** 100000 }}",
        "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
    ],
)
def test_a_program_that_does_not_end_is_stopped(program: str) -> None:
    with pytest.raises(UsageError, match="does not come to an end"):
        render_program(program, {}, "the file")
    assert render_program("{{ 'ab' * 3 }}{{ 2 ** 3 }}{{ range(3) | list }}", {}, "f") == "ababab8[0, 1, 2]"


def test_a_program_that_fails_is_named_with_its_file() -> None:
    with pytest.raises(UsageError, match="TypeError") as error:
        render_program("{{ 1 + 'a' }}", {}, "the file")
    assert error.value.where == "the file"
    with pytest.raises(UsageError, match="line 2"):
        template_variables("a\n{% for", "the file")
    with pytest.raises(UsageError, match="roles must alternate"):
        render_program("{{ raise_exception('roles must alternate') }}", {}, "the file")


def test_the_date_is_the_one_that_is_given() -> None:
    assert render_program("{{ strftime_now('%Y-%m-%d') }}", {}, "f", "2020-02-29") == "2020-02-29"
    assert template_variables("{{ enable_thinking }}{% set a = 1 %}{{ a }}", "f") == {"enable_thinking"}
