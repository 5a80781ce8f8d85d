"""The worked example's test: what a module's test looks like."""

from __future__ import annotations

from collections.abc import Callable

from flask import Flask


def test_it_greets(make_app: Callable[..., Flask]) -> None:
    """The name is the visitor's, the word the setting's."""
    client = make_app(RAAB_MODULES__GREETING__WORD="Ahoi").test_client()
    assert client.get("/greeting/Ada").get_json() == {"greeting": "Ahoi, Ada!"}
