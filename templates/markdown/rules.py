"""Rules for markdown-it-py: syntax of release notes that it does not support."""

from __future__ import annotations

import re
from bisect import bisect_left

from markdown_it import MarkdownIt
from markdown_it.ruler import RuleOptionsType
from markdown_it.rules_block import StateBlock
from markdown_it.rules_inline import StateInline
from mdit_py_plugins.deflist import deflist_plugin
from mdit_py_plugins.footnote import footnote_plugin
from mdit_py_plugins.subscript import sub_plugin
from mdit_py_plugins.superscript import superscript_plugin

from templates.markdown.buttons import mark_buttons
from templates.markdown.footnotes import list_footnotes
from templates.markdown.inline_html import resolve_inline_html
from templates.markdown.shortcodes import shortcode_rule

_CODE_INDENT = 4
# Keys of the environment.
_NO_COMMENT_ENDS_AFTER, _UNCLOSED_FENCES = "no comment ends after", "unclosed fences"
_URL = re.compile(r"https?://[^\s<>\"`\\\[\]|]+", re.IGNORECASE)
_COLON_FENCE = re.compile(r"(:{3,})\s*\{?([\w-]+)\}?\s*(.*)$")


def add_rules(markdown: MarkdownIt) -> None:
    """Add the rules to a parser. Its rule for HTML blocks is disabled: Markdown inside them would be lost."""
    may_interrupt: RuleOptionsType = {"alt": ["paragraph", "reference", "blockquote", "list"]}
    markdown.disable("html_block")
    markdown.block.ruler.before("paragraph", "comment", _comment, may_interrupt)
    markdown.block.ruler.before("fence", "admonition", _admonition, may_interrupt)
    markdown.inline.ruler.before("link", "bare_url", _bare_url)
    markdown.use(footnote_plugin, inline=False)
    markdown.use(deflist_plugin)
    markdown.use(sub_plugin)
    markdown.use(superscript_plugin)
    markdown.inline.ruler.before("emphasis", "lone_sign", _lone_sign)
    markdown.core.ruler.after("footnote_tail", "list_footnotes", list_footnotes)
    markdown.core.ruler.after("text_join", "inline_html", resolve_inline_html)
    markdown.core.ruler.after("inline_html", "shortcodes", shortcode_rule)
    markdown.core.ruler.after("shortcodes", "buttons", mark_buttons)


def _comment(state: StateBlock, start: int, end: int, silent: bool) -> bool:  # noqa: FBT001 - markdown-it's
    """Skip a comment ``<!-- ... -->`` on lines of its own, also one that spans blank lines."""
    begin = state.bMarks[start] + state.tShift[start]
    if state.sCount[start] - state.blkIndent >= _CODE_INDENT or not state.src.startswith("<!--", begin):
        return False
    if begin >= state.env.get(_NO_COMMENT_ENDS_AFTER, begin + 1):
        return False
    finish = state.src.find("-->", begin)
    if finish < 0:
        state.env[_NO_COMMENT_ENDS_AFTER] = (
            begin  # otherwise each further comment would search to the end again
        )
        return False
    closing = bisect_left(state.eMarks, finish + 3, start, end)
    if closing == end or state.src[finish + 3 : state.eMarks[closing]].strip():
        return False
    if not silent:
        state.line = closing + 1
    return True


def _admonition(state: StateBlock, start: int, end: int, silent: bool) -> bool:  # noqa: FBT001
    """Read ``:::{warning} Title`` up to ``:::`` (MyST, Docusaurus) like GitHub's ``> [!WARNING]``."""
    opening = _COLON_FENCE.match(_line(state, start))
    if opening is None or state.sCount[start] - state.blkIndent >= _CODE_INDENT:
        return False
    fence, kind, title = opening.groups()
    searched = state.env.setdefault(_UNCLOSED_FENCES, {})
    if start >= searched.get((fence, end), start + 1):
        return False
    closing = next((line for line in range(start + 1, end) if _line(state, line).strip() == fence), None)
    if closing is None:
        searched[fence, end] = start
        return False
    if silent:
        return True
    token = state.push("alert_open", "div", 1)
    token.map, token.meta = [start, closing + 1], {"kind": kind.upper()}
    state.push("alert_title_open", "p", 1)
    heading = state.push("inline", "", 0)
    heading.content, heading.map, heading.children = title or kind.capitalize(), [start, start + 1], []
    state.push("alert_title_close", "p", -1)
    outer, state.lineMax = state.lineMax, closing
    state.md.block.tokenize(state, start + 1, closing)
    state.lineMax, state.line = outer, closing + 1
    state.push("alert_close", "div", -1)
    return True


def _line(state: StateBlock, line: int) -> str:
    return state.src[state.bMarks[line] + state.tShift[line] : state.eMarks[line]]


def _bare_url(state: StateInline, silent: bool) -> bool:  # noqa: FBT001
    """Make a link of a web address without brackets, as on GitHub (GFM, "Autolinks")."""
    if silent or state.linkLevel > 0 or not state.src.startswith("://", state.pos):
        return False
    scheme = re.search(r"(?<![a-zA-Z0-9])https?$", state.pending[-6:], re.IGNORECASE)
    found = _URL.match(state.src, state.pos - len(scheme[0])) if scheme else None
    if scheme is None or found is None:
        return False
    url = _strip_punctuation(found[0])
    if "//" not in url.rstrip("/"):
        return False
    state.pending = state.pending[: -len(scheme[0])]
    state.push("link_open", "a", 1).attrSet("href", state.md.normalizeLink(url))
    state.push("text", "", 0).content = url
    state.push("link_close", "a", -1)
    state.pos += len(url) - len(scheme[0])
    return True


def _lone_sign(state: StateInline, silent: bool) -> bool:  # noqa: FBT001
    """Strike out ``~words~`` as GitHub does, and keep ``^`` and ``~`` that are not attached to a word as they are.

    Attached to a word they begin a superscript or a subscript, which the rules after this one read.
    """
    sign, start = state.src[state.pos], state.pos
    if sign not in "~^" or _is_attached(state.src, start):
        return False
    end = state.src.find("~", start + 1, state.posMax) if sign == "~" else -1
    is_struck = end > 0 and _can_open(state, start) and _can_close(state, end)
    if silent or not is_struck:
        state.pending += "" if silent else sign
        state.pos += 1
        return True
    last = state.posMax
    state.push("s_open", "s", 1).markup = sign
    state.pos, state.posMax = start + 1, end
    state.md.inline.tokenize(state)
    state.push("s_close", "s", -1).markup = sign
    state.pos, state.posMax = end + 1, last
    return True


def _is_attached(source: str, position: int) -> bool:
    return position > 0 and (source[position - 1].isalnum() or source[position - 1] in ")]~^")


def _can_open(state: StateInline, position: int) -> bool:
    found = state.scanDelims(position, canSplitWord=True)
    return found.length == 1 and found.can_open


def _can_close(state: StateInline, position: int) -> bool:
    found = state.scanDelims(position, canSplitWord=True)
    return found.length == 1 and found.can_close


def _strip_punctuation(url: str) -> str:
    """Remove punctuation that ends the sentence; a closing bracket stays if it was opened inside the URL."""
    while url:
        if url[-1] in "?!.,:;*_~'’”" or (url[-1] == ")" and url.count(")") > url.count("(")):
            url = url[:-1]
        else:
            break
    return url
