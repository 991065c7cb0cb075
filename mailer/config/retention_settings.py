"""How long each kind of data is kept (GDPR art. 5(1)(e))."""

from datetime import timedelta

from mailer.config.value_types import Duration, SettingsSection

_FIVE_YEARS = timedelta(days=1826)
_THIRTEEN_MONTHS = timedelta(days=396)


class RetentionSettings(SettingsSection):
    """A period for each kind of data. `mailer privacy purge` deletes what is older, and `mailer run-due` does so daily.

    `after_leaving` is how long the four fields of a person stay after their last consent ended; `proof_after_leaving`
    how long, from then too, a past consent can still be proved to anyone who names the address (art. 17(3)(e)).
    `deliveries` runs from the end of the campaign: its counts stay. The others run from the moment of the record.
    """

    after_leaving: Duration = timedelta(days=30)
    proof_after_leaving: Duration = _FIVE_YEARS
    deliveries: Duration = _THIRTEEN_MONTHS
    operator_log: Duration = _THIRTEEN_MONTHS
    disclosures: Duration = _FIVE_YEARS
    lifted_suppressions: Duration = _FIVE_YEARS
    access_tokens: Duration = _THIRTEEN_MONTHS
    workers: Duration = timedelta(days=30)
