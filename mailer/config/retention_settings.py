"""How long each kind of data is kept (GDPR art. 5(1)(e))."""

from datetime import timedelta

from mailer.settings_section import SettingsSection

_FIVE_YEARS = timedelta(days=1826)
_THIRTEEN_MONTHS = timedelta(days=396)


class RetentionSettings(SettingsSection, frozen=True):
    """A period for each kind of data. `mailer privacy purge` deletes what is older, and `mailer run-due` does so daily.

    `after_leaving` is how long the four fields of a person stay after their last consent ended; `proof_after_leaving`
    how long, from then too, a past consent can still be proved to anyone who names the address (art. 17(3)(e)).
    `deliveries` runs from the end of the campaign: its counts stay. The others run from the moment of the record.
    """

    after_leaving: timedelta = timedelta(days=30)
    proof_after_leaving: timedelta = _FIVE_YEARS
    deliveries: timedelta = _THIRTEEN_MONTHS
    operator_log: timedelta = _THIRTEEN_MONTHS
    disclosures: timedelta = _FIVE_YEARS
    lifted_suppressions: timedelta = _FIVE_YEARS
    access_tokens: timedelta = _THIRTEEN_MONTHS
    workers: timedelta = timedelta(days=30)
