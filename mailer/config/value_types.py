"""The types of settings: text on one line, mailboxes, durations, lists of words.

No module with settings imports `annotations` from `__future__`: pydantic would have to compile each annotation.
"""

import json
import re
from datetime import timedelta
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    StringConstraints,
)

from mailer.errors import InvalidInput
from mailer.message import Mailbox
from mailer.time_zone import is_time_zone
from mailer.word_list import split_words

# The grammar of a topic's name. `subscribers.topic` uses it too.
TOPIC_PATTERN = r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}"


class SettingsSection(BaseModel):
    """A section of the settings. It refuses unknown keys."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def duration(text: str) -> timedelta:
    """Read 45s, 90m, 6h or 2d. Raises ValueError; the message shows the form."""
    found = re.fullmatch(r"\s*([1-9]\d{0,5})\s*([smhd])\s*", text)
    if not found:
        raise ValueError(f'{text!r} is not a duration; write it as "90m", "6h" or "2d"')
    number, unit = found.groups()
    return timedelta(**{{"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}[unit]: int(number)})


def _one_line(value: str) -> str:
    if any(ord(character) < 32 or ord(character) == 127 for character in value):
        raise ValueError("must be one line, without control characters")
    return value


def _parse_mailbox(value: object) -> object:
    if value is None or isinstance(value, Mailbox):
        return value
    if not isinstance(value, str):
        raise ValueError('must be text, such as "Name <name@example.com>"')  # noqa: TRY004 - pydantic reports only this one
    try:
        return Mailbox.parse(_one_line(value))
    except InvalidInput as error:
        raise ValueError(f'{error.reason}; write it as "Name <name@example.com>"') from None


def _check_colour(value: str) -> str:
    if not re.fullmatch(r"#[0-9a-fA-F]{6}", value):
        raise ValueError('write the colour as "#1f5fbf"')
    return value.lower()


def _check_fonts(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9 ,'_-]{1,200}", value):
        raise ValueError("""write the fonts as "Georgia, 'Times New Roman', serif\"""")
    return value


def _check_zone(value: str) -> str:
    if not is_time_zone(value):
        raise ValueError(f'unknown zone {value!r}; write an IANA name such as "Europe/Amsterdam"')
    return value


def _parse_duration(value: object) -> object:
    return duration(value) if isinstance(value, str) else value


def _split_names(value: object) -> object:
    """Commas separate the names of a list in a variable. In TOML a list is an array."""
    return [name.strip() for name in value.split(",") if name.strip()] if isinstance(value, str) else value


def _parse_json(value: object) -> object:
    """A variable holds a list of sections as JSON. In TOML it is an array of tables."""
    try:
        return json.loads(value) if isinstance(value, str) else value
    except ValueError as error:
        raise ValueError(f"must be a list of sections, as JSON in a variable ({error})") from None


def _count_approvals(value: object) -> object:
    """``true`` is one approval, ``false`` none; a variable has the number or the word as text."""
    words = {"true": 1, "yes": 1, "on": 1, "false": 0, "no": 0, "off": 0}
    text = str(value).strip().lower()
    if text not in {*words, "0", "1", "2"}:
        raise ValueError("must be 0, 1 or 2; false is 0, and true is 1")
    return words.get(text, text)


def _check_approvers(value: tuple[str, ...]) -> tuple[str, ...]:
    if value and len({" ".join(name.split()).casefold() for name in value}) < 2:
        raise ValueError('must name at least two different people, such as ["Ada", "Bram"]')
    return value


Line = Annotated[str, AfterValidator(_one_line)]
MailboxLine = Annotated[Mailbox, BeforeValidator(_parse_mailbox)]
OptionalMailboxLine = Annotated[Mailbox | None, BeforeValidator(_parse_mailbox)]
Words = Annotated[tuple[str, ...], BeforeValidator(split_words)]
Names = Annotated[tuple[Line, ...], BeforeValidator(_split_names)]
Approvers = Annotated[Names, AfterValidator(_check_approvers)]
ApprovalCount = Annotated[
    int,
    Field(ge=0, le=2),
    BeforeValidator(_count_approvals, json_schema_input_type=bool | Literal[0, 1, 2]),
]
Secrets = Annotated[tuple[SecretStr, ...], BeforeValidator(split_words)]
FromJson = BeforeValidator(_parse_json)
Duration = Annotated[timedelta, BeforeValidator(_parse_duration)]
Zone = Annotated[str, AfterValidator(_check_zone)]
Colour = Annotated[str, AfterValidator(_check_colour)]
Fonts = Annotated[str, AfterValidator(_check_fonts)]
Topic = Annotated[str, StringConstraints(pattern=f"^(?:{TOPIC_PATTERN})$")]
Topics = Annotated[tuple[Topic, ...], BeforeValidator(split_words)]
RelayName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]{0,39}$")]
Security = Literal["none", "starttls", "tls"]
