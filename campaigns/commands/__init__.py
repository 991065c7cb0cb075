"""The product team's and cron's door to this room: campaigns, deliveries, digests, run-due, worker, demo."""

from campaigns.commands import notes as notes  # its commands join the group
from campaigns.commands.deliveries import deliveries_group
from campaigns.commands.demo import demo
from campaigns.commands.digests import digests
from campaigns.commands.options import campaigns
from campaigns.commands.sending import run_due, worker

__all__ = ["campaigns", "deliveries_group", "demo", "digests", "run_due", "worker"]
