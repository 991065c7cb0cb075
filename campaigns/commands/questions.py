"""Questions at a terminal, each with what is proposed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import click

from mailer.errors import InvalidInput, Refused

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class Questions:
    """Asks for values; with `yes` it takes what is proposed."""

    yes: bool

    def ask(
        self, question: str, proposed: str, check: Callable[[str], Value], *, nothing: str | None = None
    ) -> Value:
        """The answer, once `check` accepts it. Raises Refused where nobody answers.

        `nothing` says what no answer means; where something is proposed, that is a dash.
        """
        if nothing:
            question = f"{question} ({'-' if proposed else 'empty'}: {nothing})"
        while True:
            answer = proposed if self.yes else self._prompt(question, proposed)
            try:
                return check(answer)
            except InvalidInput as error:
                if self.yes:
                    raise
                self.tell(error)

    def tell(self, error: InvalidInput) -> None:
        """Say what is wrong, before the next question."""
        click.echo(f"{error.reason} {error.hint or ''}".strip(), err=True)

    def _prompt(self, question: str, proposed: str) -> str:
        shown = bool(proposed)
        try:
            answer = str(click.prompt(question, default=proposed, show_default=shown, err=True)).strip()
        except click.Abort:
            click.echo(err=True)
            raise Refused(
                "Nothing was created.",
                hint="In a script, give --yes, and options for what you want otherwise.",
            ) from None
        return "" if answer == "-" else answer
