"""Commands about people on file and their consent."""

from subscribers.commands.consent import consent
from subscribers.commands.people import subscribers
from subscribers.commands.privacy import privacy
from subscribers.commands.suppression import lift, suppress
from subscribers.commands.webhooks import webhooks

__all__ = ["consent", "lift", "privacy", "subscribers", "suppress", "webhooks"]
