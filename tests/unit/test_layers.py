"""Layers as import-linter can't see them: names of modules in strings."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LAYERS = (
    "mailer",
    "templates",
    "subscribers",
    "campaigns",
    "cli",
    "web",
)  # the lowest first; cli and web are level


def module_names(source: str) -> set[str]:
    """The strings in `source` that name a module of ours or something in it, such as ``web:create_app``."""
    strings = (
        node.value
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    )
    return {
        string
        for string in strings
        if re.fullmatch(r"[a-z_]\w*(?:[.:][A-Za-z_]\w*)+", string) and is_module(string)
    }


def is_module(name: str) -> bool:
    """Whether there is such a module; ``web.de`` is a domain."""
    path = ROOT.joinpath(*name.partition(":")[0].split(".")[:2])
    return path.is_dir() or path.with_name(path.name + ".py").is_file()


@pytest.mark.parametrize("layer", LAYERS[:4])
def test_no_string_names_a_module_of_a_layer_above(layer: str) -> None:
    above = LAYERS[LAYERS.index(layer) + 1 :]
    found = {
        (str(path.relative_to(ROOT)), name)
        for path in (ROOT / layer).rglob("*.py")
        for name in module_names(path.read_text(encoding="utf-8"))
        if re.split("[.:]", name)[0] in above
    }
    assert found == set()


def test_a_string_that_names_a_module_is_found() -> None:
    source = 'uvicorn.Config("web:create_app")\nimport_module("campaigns.models")\nx = "a sentence. More"\ny = "web.de"\n'
    assert module_names(source) == {"web:create_app", "campaigns.models"}
