"""What all sections of the settings share: typed fields, no unknown keys, values that do not change.

No module with settings imports `annotations` from `__future__`: `mailer.config.reading` needs the types, not their
source. A default without a form in JSON, such as a path, comes from a `default_factory`; the JSON schema has none then.
"""

from collections.abc import Callable, Mapping
from typing import Annotated, Any, ClassVar, Self, TypeAlias

import msgspec
from msgspec import Meta

Checks: TypeAlias = Mapping[str, Callable[[Any], Any]]

PositiveInt = Annotated[int, Meta(gt=0)]
Seconds = Annotated[float, Meta(gt=0, le=365 * 24 * 3600)]


class WrongSettings(ValueError):
    """Settings of one section, or items of one list, that can't be used: `reasons` has why, by name or number."""

    def __init__(self, reasons: Mapping[str, str]) -> None:
        super().__init__("; ".join(f"{name}: {reason}" for name, reason in reasons.items()))
        self.reasons = reasons


class SettingsSection(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A section of the settings.

    `mailer.config` compares types while it reads a section. `checks` go further: one for each field that needs it, which
    returns the value to keep or raises ValueError. They run for every new section. Raises WrongSettings.
    """

    checks: ClassVar[Checks] = {}

    def __post_init__(self) -> None:
        """Run the checks."""
        reasons = {}
        for name, check in self.checks.items():
            try:
                msgspec.structs.force_setattr(self, name, check(getattr(self, name)))
            except ValueError as error:
                reasons[name] = str(error)
        if reasons:
            raise WrongSettings(reasons)

    def replace(self, **changes: Any) -> Self:
        """A copy with other values for some fields."""
        return msgspec.structs.replace(self, **changes)
