"""Checks of the deliveries that an operator selects by number (`--id`)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from mailer.errors import InvalidInput


def refuse_unknown(
    slug: str, selected: Iterable[int], found: Iterable[int], kind: str, listing: str = ""
) -> None:
    """Raise InvalidInput for selected deliveries that are not of this kind; `listing` are the options that list it."""
    if missing := sorted(set(selected).difference(found)):
        raise InvalidInput(
            f"{slug} has no {kind} delivery {', '.join(map(str, missing))}",
            where="--id",
            hint=f"`mailer deliveries list {slug}{listing}` shows them. Nothing was changed.",
        )


def refuse_selection(slug: str, selected: Sequence[int]) -> None:
    """Raise InvalidInput for a selection in a restored campaign, which is decided as a whole."""
    if selected:
        raise InvalidInput(
            f"{slug} is of a restored database, so all of it is decided at once",
            where="--id",
            hint="Leave --id out. Nothing was changed.",
        )
