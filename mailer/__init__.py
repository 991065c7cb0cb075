"""Transport: how mail travels and comes back; settings and database. Knows envelopes, not people."""
