"""mailer privacy breach --send: send the letters of a breach."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import click

from campaigns.commands.options import run
from campaigns.sending.breach_letters import BreachLetters
from campaigns.sending.run_result import DONE_WITH_LOSSES
from mailer.commands import CommandContext, confirm
from mailer.commands.acts import record_act
from mailer.errors import MailerError
from mailer.operator_log import Disclosure, PeopleConcerned
from mailer.quantity import quantity
from subscribers.commands.free_text import parse_free_text
from subscribers.rights.breach_letter import LetterState, read_people

LONGEST_NAME = 100


def send_letters(
    context: CommandContext, folder: Path, approved_by: str, *, yes: bool, as_json: bool
) -> None:
    """Send the letters in a folder. Raises Refused where one is not filled in, or where nobody confirms."""
    name = parse_free_text(approved_by, "--send", LONGEST_NAME)

    def print_wait(until: datetime) -> None:
        local = until.astimezone(context.settings.tz)
        context.console.print(
            f"The limits allow the next letter at {local:%Y-%m-%d %H:%M %Z}. The command waits for it."
        )

    letters = BreachLetters(context.database, context.settings, folder, context.now, print_wait)
    subjects = {text.subject for text in letters.texts.values()}
    number = sum(1 for _ in read_people(folder))
    if not yes:
        context.console.print("\n".join(f"Subject: {subject}" for subject in sorted(subjects)), markup=False)
        confirm(f"Send the letters to {quantity(number, 'person', 'people')}?", "No letter was sent.")
    disclosure = Disclosure("the people themselves", f"GDPR art. 34, approved by {name}")
    record_act(context, PeopleConcerned(number), disclosure=disclosure)
    try:
        counts = run(letters.send())
    except MailerError as error:
        error.hint = error.hint or "Run the command again: it goes on where it stopped."
        raise
    values = {state.value: counts[state] for state in LetterState if state is not LetterState.ATTEMPTING}
    text = ", ".join(f"{state} {number:,}" for state, number in values.items())
    context.report(
        {"letters_sent": True, "folder": folder, "people": number} | values | {"skipped": letters.skipped},
        f"{'' if letters.offered else 'Nothing left to send; '}{text}, no longer on file {letters.skipped:,}.",
        as_json=as_json,
    )
    if counts[LetterState.REJECTED] or counts[LetterState.UNCERTAIN]:
        raise click.exceptions.Exit(DONE_WITH_LOSSES)
