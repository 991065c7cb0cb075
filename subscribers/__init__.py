"""People, their consents, the proof of each consent, and the predicate of the gate."""
