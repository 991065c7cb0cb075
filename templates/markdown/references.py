"""References to a repository: shorten long addresses of pull requests and commits, and link ``#123`` and ``@user``.

They read as GitHub and GitLab show them: ``#123`` and ``!45`` in the notes' own repository, ``acme/lib#78`` in others,
seven digits of a commit.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self
from urllib.parse import unquote, urlsplit

from markdown_it.token import Token

from mailer.errors import InvalidInput

_SHORT_HASH = 7  # digits; GitHub and GitLab show 7 or 8
_SSH = re.compile(r"(?:ssh://)?git@([\w.-]+)[:/](.+)")
_LONGEST_ADDRESS = 2_000  # characters; longer ones stay as they are
_PATH = r"[\w.-]{1,100}(?:/[\w.-]{1,100}){1,8}?"
_ADDRESS = re.compile(
    rf"https?://(?P<host>[\w.-]+(?::\d+)?)/(?P<path>{_PATH})/(?:-/)?"
    r"(?:(?P<kind>pulls?|issues|discussions|merge_requests)/(?P<number>\d{1,9})"
    r"|commit/(?P<commit>[0-9a-f]{7,64})"
    r"|compare/(?P<range>[^\s?#]+?\.\.\.?[^\s?#]+))/?(?:#[\w-]*)?"
)
_COMPARED = re.compile(
    r"https?://(?P<host>[\w.-]{1,253}(?::\d+)?)/(?P<path>" + _PATH + r")/(?P<gitlab>-/)?"
    r"compare/[\w%][^\s)>\"']{0,200}?\.\.\."
)
_BARE = re.compile(
    r"(?<![\w/#&@.:=!-])(?:(?P<path>[\w][\w.-]*/[\w.-]+)?#(?P<number>\d{1,7})(?![\w-]|\.\w)"
    r"|GH-(?P<gh>\d{1,7})(?![\w-])"
    r"|!(?P<request>\d{1,7})(?![\w-])"
    r"|(?P<commit>[0-9a-f]{40})(?!\w)"
    r"|@(?P<user>[A-Za-z\d](?:[A-Za-z\d]|-(?=[A-Za-z\d])){0,38})(?P<bot>\[bot\])?(?![\w/@-]|\.\w))"
)
_SIGNS = re.compile(r"[#@!]|GH-|[0-9a-f]{40}")
_UP = re.compile(r"(?:\.{1,2}/)+")
_PAGES = frozenset(
    {
        "-", "actions", "blob", "commit", "commits", "compare", "discussions", "issues", "milestone", "packages",
        "projects", "pull", "pulls", "raw", "releases", "security", "tags", "tree", "wiki",
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Repository:
    """A repository on GitHub, GitLab or a forge with the same addresses."""

    scheme: str
    host: str
    path: str
    is_gitlab: bool

    @classmethod
    def parse(cls, url: str, *, where: str | None = None) -> Self:
        """The repository at a web address, or at the address that git clones from.

        A host with "gitlab" in its name is a GitLab; of others the address ends with ``/-``. Raises InvalidInput.
        """
        ssh = _SSH.fullmatch(url.strip())
        try:
            parts = urlsplit(f"https://{ssh[1]}/{ssh[2]}" if ssh else url.strip())
            host = parts.hostname or ""
            port = f":{parts.port}" if parts.port else ""
        except ValueError:
            parts, host, port = urlsplit(""), "", ""
        path = parts.path.strip("/")
        is_gitlab = "gitlab" in host or path.endswith("/-")
        path = path.removesuffix("/-").removesuffix(".git")
        if parts.scheme not in {"https", "http"} or not host or not re.fullmatch(_PATH + r"(?<!\.)", path):
            raise InvalidInput(
                f"{url[:80]!r} is not the address of a repository.",
                where=where,
                hint='Write it as "https://github.com/acme/app"; of a GitLab elsewhere, as "https://git.acme.example/acme/app/-".',
            )
        return cls(parts.scheme, host + port, path, is_gitlab)

    @property
    def url(self) -> str:
        """The address of its pages."""
        return f"{self.scheme}://{self.host}/{self.path}"

    def page(self, name: str, *, path: str | None = None) -> str:
        """The address of a page of it, or of another repository on the same host."""
        return f"{self.scheme}://{self.host}/{path or self.path}/{'-/' if self.is_gitlab else ''}{name}"

    def __str__(self) -> str:
        return f"{self.url}{'/-' if self.is_gitlab and 'gitlab' not in self.host else ''}"


def find_repository(text: str) -> str | None:
    """The repository that all comparisons of versions in `text` lead to; None where there are several or none."""
    found = {
        f"https://{match['host']}/{match['path']}{'/-' if match['gitlab'] else ''}"
        for match in _COMPARED.finditer(text)
    }
    return found.pop() if len(found) == 1 else None


def shorten_references(tokens: list[Token], repository: Repository | None) -> None:
    """Shorten and link references in place. Without a `repository` only long addresses are shortened."""
    own = repository or _only_repository(tokens)
    for token in tokens:
        if token.children:
            _shorten_addresses(token.children, own)
            if repository is not None:
                token.children = list(_linked(token.children, repository))


def resolve_relative(href: str, repository: Repository) -> str:
    """The absolute address of a relative link in the notes of a release: a page, or a file, of the repository.

    Authors write such links as if they began at the repository, whichever page shows the notes.
    """
    if href.startswith("#") or not href:
        return f"{repository.url}{href}"
    if href.startswith("/"):
        return f"{repository.scheme}://{repository.host}{href}" if not href.startswith("//") else href
    rest = _UP.sub("", href, count=1) if href.startswith(".") else href
    if rest.partition("/")[0] in _PAGES:
        return f"{repository.url}/{rest}"
    return repository.page(f"blob/HEAD/{rest}")


def _only_repository(tokens: list[Token]) -> Repository | None:
    """The repository of all long addresses, where it is one."""
    found = {
        (match["host"], match["path"])
        for token in tokens
        for child in token.children or ()
        if child.type == "link_open" and (match := _match(str(child.attrs["href"])))
    }
    if len(found) != 1:
        return None
    host, path = found.pop()
    return Repository("https", host, path, is_gitlab=False)


def _shorten_addresses(children: list[Token], own: Repository | None) -> None:
    for opening, text, closing in zip(children, children[1:], children[2:], strict=False):
        if (opening.type, text.type, closing.type) != ("link_open", "text", "link_close"):
            continue
        href = str(opening.attrs["href"])
        if unquote(href) == unquote(text.content) and (match := _match(href)):
            text.content = _short_form(match, own)


def _match(href: str) -> re.Match[str] | None:
    return _ADDRESS.fullmatch(href) if len(href) <= _LONGEST_ADDRESS else None


def _short_form(match: re.Match[str], own: Repository | None) -> str:
    is_own = own is not None and (match["host"], match["path"].lower()) == (own.host, own.path.lower())
    path = "" if is_own else match["path"]
    if match["number"]:
        return f"{path}{'!' if match['kind'] == 'merge_requests' else '#'}{match['number']}"
    said = match["commit"][:_SHORT_HASH] if match["commit"] else unquote(match["range"])
    return f"{path}@{said}" if path else said


def _linked(children: list[Token], repository: Repository) -> Iterator[Token]:
    """The tokens, with links around the references that stand outside links."""
    depth = 0
    for child in children:
        depth += child.nesting if child.type.startswith("link_") else 0
        if depth or child.type != "text" or not _SIGNS.search(child.content):
            yield child
            continue
        end = 0
        for match in _BARE.finditer(child.content):
            target = _target(match, repository)
            if target is None:
                continue
            yield from _text(child.content[end : match.start()])
            yield Token("link_open", "a", 1, attrs={"href": target})
            yield from _text(match[0][:_SHORT_HASH] if match["commit"] else match[0])
            yield Token("link_close", "a", -1)
            end = match.end()
        yield from _text(child.content[end:])


def _target(match: re.Match[str], repository: Repository) -> str | None:
    """The address that a reference leads to. GitHub leads from an issue's address to the pull request of the number."""
    if number := match["number"] or match["gh"]:
        return repository.page(f"issues/{number}", path=match["path"])
    if match["request"]:
        return repository.page(f"merge_requests/{match['request']}") if repository.is_gitlab else None
    if match["commit"]:
        return repository.page(f"commit/{match['commit']}")
    user = f"apps/{match['user']}" if match["bot"] and not repository.is_gitlab else match["user"]
    return f"{repository.scheme}://{repository.host}/{user}"


def _text(content: str) -> Iterator[Token]:
    if content:
        yield Token("text", "", 0, content=content)
