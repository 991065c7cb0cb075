"""Mails of one length for all programs."""

from __future__ import annotations

import smtplib

from benchmarks.mail_size import fitting, mean_length

HEAD, LINE = "Subject: Release\r\n\r\n", "x" * 70 + "\r\n"


def send(port: int, lines: int) -> None:
    with smtplib.SMTP("127.0.0.1", port) as client:
        client.sendmail("news@example.com", ["person@example.org"], HEAD + LINE * lines)


def test_the_length_of_a_mail_is_that_of_its_content() -> None:
    assert mean_length(lambda port: send(port, 3)) == len(HEAD) + 3 * len(LINE)


def test_the_amount_that_makes_a_mail_of_a_length_is_found_with_two_mails() -> None:
    assert fitting(send, len(HEAD) + 180 * len(LINE), probe=2) == 180
