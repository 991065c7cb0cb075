"""The hosts in the settings that handle personal data, and whether a processor is named for each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from ipaddress import ip_address

from sqlalchemy import make_url

from mailer.config.settings import Settings


def data_hosts(settings: Settings) -> dict[str, str]:
    """The hosts that get personal data by these settings, each with the setting that names it."""
    hosts = {
        relay.host: "[smtp]" if name == "smtp" else f"[relays.{name}]"
        for name, relay in settings.every_relay.items()
    }
    hosts |= dict.fromkeys(settings.image_hosts, "image_hosts")  # they see who opens a mail
    if database := make_url(settings.database_url.reveal()).host:
        hosts[database] = "database_url"
    return hosts


def uncovered(settings: Settings, hosts: Mapping[str, str]) -> dict[str, str]:
    """Those of `hosts` that are neither on a network of one's own nor belong to a named processor or to own_hosts."""
    named = [
        *settings.privacy.own_hosts,
        *(host for each in settings.privacy.processors for host in each.hosts),
    ]
    return {host: use for host, use in hosts.items() if not _is_internal(host) and not _covers(named, host)}


def _covers(named: Iterable[str], host: str) -> bool:
    wanted = host.lower().rstrip(".")
    names = [name.lower().strip(".").removeprefix("*.") for name in named]
    return any(wanted == name or wanted.endswith(f".{name}") for name in names)


def _is_internal(host: str) -> bool:
    """Whether `host` is a socket, a name without a domain, or an address that is not public."""
    try:
        return not ip_address(host.strip("[]")).is_global
    except ValueError:
        return "." not in host.strip(".") or host.startswith("/")
