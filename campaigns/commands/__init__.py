"""The commands for the product team and cron: campaigns, deliveries, digests, run-due, worker, restore, demo.

`cli` and the groups name the module of each command, so nothing is imported here.
"""
