"""Which modules are mutated, and which tests are to notice: the quick ones that are about them."""

from __future__ import annotations

from dataclasses import dataclass

_CAMPAIGNS = "tests/integration/campaigns"
DELIVERIES = (f"{_CAMPAIGNS}/test_deliveries.py", f"{_CAMPAIGNS}/test_fencing.py")


@dataclass(frozen=True, slots=True)
class Target:
    """A module and its tests.

    `ready` names packages that do not import the module, and so are imported once for all its mutants. Where
    `postgresql` is set the tests run on that engine too, for mutants that SQLite does not notice.
    """

    module: str
    tests: tuple[str, ...]
    ready: tuple[str, ...] = ()
    postgresql: bool = False


_BELOW_DELIVERIES = (
    "mailer.config", "mailer.limits", "mailer.smtp.relays", "subscribers.self_service", "subscribers.intake",
    "templates.render", "templates.page", "campaigns.lifecycle", "campaigns.notes", "campaigns.timing", "campaigns.models",
)  # fmt: skip


def _deliveries(module: str, *tests: str, postgresql: bool = True) -> Target:
    return Target(f"campaigns/deliveries/{module}.py", tests, _BELOW_DELIVERIES, postgresql)


def _ledger(module: str, *tests: str) -> Target:
    path = "tests/integration/subscribers"
    names = (*(f"{path}/{name}.py" for name in tests), f"{path}/test_ledger.py")
    return Target(
        f"subscribers/ledger/{module}.py", names, ("mailer.config", "mailer.database"), postgresql=True
    )


TARGETS = (
    _deliveries("gate", f"{_CAMPAIGNS}/test_gate.py", *DELIVERIES),
    _deliveries("claims", f"{_CAMPAIGNS}/test_claims.py", *DELIVERIES),
    _deliveries(
        "cancellation", f"{_CAMPAIGNS}/test_cancellation.py", f"{_CAMPAIGNS}/test_recovery.py", *DELIVERIES
    ),
    _deliveries("settlement", f"{_CAMPAIGNS}/test_settlements.py", *DELIVERIES),
    _deliveries("workers", f"{_CAMPAIGNS}/test_workers.py", *DELIVERIES),
    _deliveries("recovery", f"{_CAMPAIGNS}/test_recovery.py", *DELIVERIES),
    _deliveries("retry", "tests/unit/campaigns/test_retry.py", postgresql=False),
    Target(
        "subscribers/ledger/events.py", ("tests/unit/subscribers/test_ledger_events.py",), ("mailer.config",)
    ),
    Target("subscribers/ledger/tree.py", ("tests/unit/subscribers/test_ledger_tree.py",), ("mailer.config",)),
    Target("subscribers/commitments.py", ("tests/unit/subscribers/test_commitments.py",)),
    _ledger("tiles", "test_ledger_verification"),
    _ledger("ledger", "test_ledger_entries"),
    _ledger("reading", "test_ledger_entries"),
    _ledger("texts", "test_ledger_entries"),
    _ledger("proof"),
    _ledger("verification", "test_ledger_verification"),
    Target(
        "subscribers/self_service/links.py",
        ("tests/unit/subscribers/test_link_keys.py", "tests/unit/subscribers/test_links.py"),
        ("mailer.config", "mailer.database"),
    ),
    Target("mailer/smtp/outcome.py", ("tests/unit/mailer/test_outcome.py",), ("mailer.database",)),
)
