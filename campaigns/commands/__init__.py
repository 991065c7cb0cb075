"""The commands for the product team and cron: campaigns, deliveries, digests, run-due, worker, restore, demo."""

from campaigns.commands import audit as audit  # these add their commands to the groups
from campaigns.commands import breach as breach
from campaigns.commands import drafts as drafts
from campaigns.commands import purge as purge
from campaigns.commands import review as review
from campaigns.commands import schedule as schedule
from campaigns.commands import sending as sending
from campaigns.commands import status as status
from campaigns.commands.deliveries import deliveries_group
from campaigns.commands.demo import demo
from campaigns.commands.digests import digests
from campaigns.commands.due import run_due, worker
from campaigns.commands.options import campaigns
from campaigns.commands.overview import status_of_all
from campaigns.commands.restore import restore
from subscribers.commands import privacy

__all__ = [
    "campaigns",
    "deliveries_group",
    "demo",
    "digests",
    "privacy",
    "restore",
    "run_due",
    "status_of_all",
    "worker",
]
