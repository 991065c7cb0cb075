"""The product team's door to this room: subscribers, consent."""

from subscribers.commands.consent import consent
from subscribers.commands.people import subscribers

__all__ = ["consent", "subscribers"]
