"""Add people from CSV files and from the sign-up form.

Each row of a file has its own consent, and invalid rows are refused one by one.

`csv_file` reads records, `applicant` reads one row, `admission` decides and writes, `csv_import` imports a
file. `signup` stores a request of the sign-up form, which the owner of the address confirms.
"""

from __future__ import annotations

from subscribers.intake.account_sync import AccountSync, SyncReport
from subscribers.intake.address_list import read_addresses
from subscribers.intake.admission import Candidate, Decision, Evidence, admit, decide
from subscribers.intake.applicant import Applicant, ApplicantReader, Refusal, parse_answer
from subscribers.intake.consent_time import FORMS, parse_consent_time
from subscribers.intake.csv_file import Field, Malformed, PeopleCsv, Record
from subscribers.intake.csv_import import Import, ImportReport
from subscribers.intake.duplicates import SeenAddresses
from subscribers.intake.encoding import as_text, encoding_name
from subscribers.intake.opt_outs import MAX_UNCONFIRMED_PEOPLE, in_batches
from subscribers.intake.refusals import Refusals

__all__ = [
    "FORMS",
    "MAX_UNCONFIRMED_PEOPLE",
    "AccountSync",
    "Applicant",
    "ApplicantReader",
    "Candidate",
    "Decision",
    "Evidence",
    "Field",
    "Import",
    "ImportReport",
    "Malformed",
    "PeopleCsv",
    "Record",
    "Refusal",
    "Refusals",
    "SeenAddresses",
    "SyncReport",
    "admit",
    "as_text",
    "decide",
    "encoding_name",
    "in_batches",
    "parse_answer",
    "parse_consent_time",
    "read_addresses",
]
