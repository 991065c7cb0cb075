"""Colours of code and of diffs. The classes have colours for light and for dark in mail/prose.css.j2 and mail/dark.css.j2."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import groupby

from templates.markdown.line_breaks import escape_with_breaks

MAX_CODE_CHARACTERS = 4_000  # of one block; longer code stays plain: each coloured word costs some 50 bytes
_MAX_LINE_CHARACTERS = 400
_LINE_CHARACTERS = 26  # on a phone of 320 pixels
_DIFFS = frozenset({"diff", "patch", "udiff"})
# The names that authors write after ```, and pygments' name. A closed set: pygments has hundreds of lexers.
_LEXERS = {
    **{
        name: name
        for name in ["bash", "c", "console", "cpp", "csharp", "css", "dart", "docker", "elixir", "go", "graphql", "hcl", "html", "http", "ini", "java", "javascript", "json", "kotlin", "lua", "make", "nginx", "perl", "php", "powershell", "protobuf", "python", "ruby", "rust", "scala", "scss", "sql", "swift", "toml", "typescript", "xml", "yaml"]
    },
    "sh": "bash", "shell": "bash", "zsh": "bash", "shell-session": "console", "shellsession": "console",
    "c++": "cpp", "c#": "csharp", "cs": "csharp", "dockerfile": "docker", "golang": "go", "terraform": "hcl",
    "js": "javascript", "mjs": "javascript", "jsx": "javascript", "json5": "json", "jsonc": "json", "kt": "kotlin",
    "makefile": "make", "proto": "protobuf", "ps1": "powershell", "py": "python", "python3": "python",
    "rb": "ruby", "rs": "rust", "ts": "typescript", "tsx": "typescript", "cfg": "ini", "yml": "yaml",
}  # fmt: skip
# pygments' kinds of token, the first that fits, and our classes.
_CLASSES = (
    ("Token.Comment", "hc"),
    ("Token.Literal.String", "hs"),
    ("Token.Literal.Number", "hn"),
    ("Token.Literal", "hs"),
    ("Token.Keyword.Constant", "hn"),
    ("Token.Keyword", "hk"),
    ("Token.Operator.Word", "hk"),
    ("Token.Name.Function", "hf"),
    ("Token.Name.Class", "hf"),
    ("Token.Name.Decorator", "hf"),
    ("Token.Name.Tag", "ht"),
    ("Token.Name.Attribute", "ht"),
    ("Token.Name.Builtin", "hf"),
    ("Token.Generic.Prompt", "hc"),
)


def write_code(code: str, info: str, *, highlight: bool) -> str:
    """The code as HTML, escaped. `info` are the words after the fence; the first names the language."""
    language = info.split(maxsplit=1)[0].strip("{}.").casefold() if info.strip() else ""
    if language in _DIFFS:
        return _write_diff(code)
    lexer = _LEXERS.get(language)
    longest_line = max(map(len, code.splitlines()), default=0)
    if not (highlight and lexer) or len(code) > MAX_CODE_CHARACTERS or longest_line > _MAX_LINE_CHARACTERS:
        return escape_with_breaks(code, _LINE_CHARACTERS)
    return "".join(
        _span(kind, "".join(text for _, text in words))
        for kind, words in groupby(_tokens(code, lexer), key=lambda one: one[0])
    )


def _tokens(code: str, lexer: str) -> Iterator[tuple[str, str]]:
    """The class and text of each token, all of the code. Spaces belong to the token before them."""
    from pygments.lexers import get_lexer_by_name  # noqa: PLC0415 - only notes with code need it

    previous, end = "", 0
    for start, kind, text in get_lexer_by_name(lexer, stripnl=False, ensurenl=False).get_tokens_unprocessed(
        code
    ):
        name = str(kind)
        previous = (
            previous
            if text.isspace()
            else next((ours for theirs, ours in _CLASSES if name.startswith(theirs)), "")
        )
        yield previous, code[end : start + len(text)]
        end = start + len(text)
    yield "", code[end:]


def _span(kind: str, text: str) -> str:
    escaped = escape_with_breaks(text, _LINE_CHARACTERS)
    return f'<span class="{kind}">{escaped}</span>' if kind and text.strip() else escaped


def _write_diff(code: str) -> str:
    """Removed lines in red, added ones in green, places in blue. A coloured line holds its line break, to be a block."""
    lines = []
    for line in code.splitlines(keepends=True):
        kind = (
            "di"
            if re.match(r"\+(?!\+\+ )", line)
            else "dd"
            if re.match(r"-(?!-- )", line)
            else "dp"
            if line.startswith("@@")
            else ""
        )
        escaped = escape_with_breaks(line, _LINE_CHARACTERS)
        lines.append(f'<span class="{kind}">{escaped}</span>' if kind else escaped)
    return "".join(lines)
