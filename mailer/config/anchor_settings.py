"""Where the newest checkpoint of the consent ledger is taken out to."""

from pathlib import Path

from msgspec import field

from mailer.config.value_types import Line, url_parts
from mailer.settings_section import SettingsSection


class AnchorSettings(SettingsSection, frozen=True):
    """The anchors of the consent ledger (`mailer consent anchor`).

    They are appended to `file`. It protects best on another machine, where nobody who can write to the database can
    write. `authority_url` is a time-stamping authority (RFC 3161), `authority_certificates` a PEM
    file with its root certificate. With `daily`, `mailer run-due` and `mailer worker` make one each day.
    """

    file: Path = field(default_factory=lambda: Path("mailer.anchors"))
    authority_url: Line | None = None
    authority_certificates: Path | None = None
    daily: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if (self.authority_url is None) != (self.authority_certificates is None):
            raise ValueError("authority_url and authority_certificates go together")
        if self.authority_url is not None:
            parts = url_parts(self.authority_url)
            if parts is None or parts.scheme not in {"https", "http"}:
                raise ValueError('write authority_url as "https://tsa.example.com"')
