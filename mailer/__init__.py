"""Transport of mail, settings and database. It knows envelopes, and does not depend on subscribers."""
