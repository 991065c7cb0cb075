"""The signatures of mails that are composed and not offered yet."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from campaigns.sending.session import Session
from mailer.errors import MailerError
from mailer.message import Content
from mailer.smtp import Deferred, FailureScope, Phase

Sign = Callable[[Sequence[Content], Callable[[int, Content], None]], Awaitable[None]]


async def sign_each(sessions: Sequence[Session], sign: Sign, offer: Callable[[Session], None]) -> None:
    """Have the mail of each connection signed, and then offered.

    Raises the MailerError of `sign`. Mails that are not signed by then are not offered: that is their outcome.
    """
    mails = {session: session.mail for session in sessions if session.mail is not None}
    unsigned = list(mails)

    def take(position: int, content: Content) -> None:
        session = unsigned[position]
        envelope, _ = mails.pop(session)
        session.mail = envelope, content
        offer(session)

    try:
        await sign([content for _, content in mails.values()], take)
    except MailerError:
        for session in mails:
            session.mail = None
            session.conclude(Deferred(Phase.MAIL, FailureScope.CONNECTION, None, "not signed"))
        raise
