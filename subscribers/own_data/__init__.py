"""The page with a person's own data: the link to it, its forms, and what they do.

`access_link` asks for the link. `forms` makes and reads the tokens of the forms. `acts` carries out what a form
asks. `documents` writes the export, and `overview` the page's values. The page is in `subscribers.web`.
"""

from __future__ import annotations

from subscribers.own_data.access_link import request_link
from subscribers.own_data.acts import Notice, perform
from subscribers.own_data.documents import ExportFormat, to_csv, to_json
from subscribers.own_data.forms import Act, Form, FormTokens
from subscribers.own_data.overview import overview

__all__ = [
    "Act",
    "ExportFormat",
    "Form",
    "FormTokens",
    "Notice",
    "overview",
    "perform",
    "request_link",
    "to_csv",
    "to_json",
]
