"""The MAILER_* variables: which of them are settings, and which are others'."""

from __future__ import annotations

import os
import re
from typing import Any, NamedTuple

from mailer.config.settings import NOT_SETTINGS, Settings
from mailer.errors import ConfigurationError
from mailer.lone_surrogates import has_lone_surrogate

PREFIX = "MAILER_"
CONFIG_VARIABLE = "MAILER_CONFIG"

# Docker's links and Kubernetes set these in a container, for a container or service whose name is mailer or begins with it.
_OF_A_CONTAINER = (
    r"MAILER_(?:.+_)?(?:SERVICE_HOST|SERVICE_PORT(?:_.+)?|PORT_[0-9]+_(?:TCP|UDP|SCTP)(?:_.+)?|ENV_.+)"
)
# They set names that end so, too. The value shows it: an address, or the two names of a link.
_VALUES_OF_A_CONTAINER = {"PORT": r"(?:tcp|udp|sctp)://.*", "NAME": r"/[^/]+/[^/]+"}
_OF_OUR_TESTS = "MAILER_TESTS_"


class Variable(NamedTuple):
    """A variable that is a setting. `values` has its text below the section and key that the name says."""

    name: str
    values: dict[str, Any]


def read_variables() -> tuple[list[Variable], list[str]]:
    """The variables that are settings, and the names of those that are neither settings nor known to be others'.

    Raises ConfigurationError for bytes that are no text.
    """
    found, unknown = list[Variable](), list[str]()
    for variable, text in os.environ.items():
        name = variable.upper()
        if not name.startswith(PREFIX) or name == CONFIG_VARIABLE:
            continue
        first, *more = name.removeprefix(PREFIX).lower().split("__")
        if first not in Settings.__struct_fields__ or first in NOT_SETTINGS:
            if not _is_of_others(name, text):
                unknown.append(variable)
            continue
        if has_lone_surrogate(text):
            raise ConfigurationError(f"{variable} is not valid UTF-8.", hint="Write its value in UTF-8.")
        value: Any = text
        for key in reversed(more):
            value = {key: value}
        found.append(Variable(variable, {first: value}))
    return found, unknown


def _is_of_others(name: str, text: str) -> bool:
    if name.startswith(_OF_OUR_TESTS) or re.fullmatch(_OF_A_CONTAINER, name):
        return True
    form = _VALUES_OF_A_CONTAINER.get(name.rpartition("_")[2])
    return form is not None and re.fullmatch(form, text) is not None
