"""How mails and pages look. Knows release notes and a brand, not people."""
