"""The words by which a Dutch text addresses its reader formally, or informally."""

from __future__ import annotations

import re

FORMAL = re.compile(r"\b(?:u|uw|uwe|uzelf|geachte)\b", re.IGNORECASE)
INFORMAL = re.compile(r"\b(?:je|jij|jou|jouw|jouwe|jezelf|jullie)\b", re.IGNORECASE)
