"""Files as Excel, LibreOffice and other programs write them are read; what they hold is not guessed at."""

from __future__ import annotations

import codecs
import io
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from mailer.errors import InvalidInput
from subscribers.address import AddressHasher
from subscribers.intake import (
    Applicant,
    ApplicantReader,
    PeopleCsv,
    Refusal,
    as_text,
    encoding_name,
    parse_answer,
)

DUTCH = "aanhef;voornaam;tussenvoegsel;achternaam;e-mailadres;toestemming;toestemming_op\n"
ROW = "mevrouw;Zoë;van der;Meer;zoe@example.com;ja;01-05-2026\n"


def read(content: str | bytes, encoding: str | None = None) -> list[Applicant | Refusal | None]:
    raw = content if isinstance(content, bytes) else content.encode()
    file = PeopleCsv(as_text(io.BytesIO(raw), encoding), "people.csv")
    reader = ApplicantReader(
        file, AddressHasher([b"k" * 32]), ZoneInfo("Europe/Amsterdam"), datetime(2026, 11, 1, tzinfo=UTC)
    )
    return [reader.read(record) for record in file]


def names(content: str | bytes, encoding: str | None = None) -> list[str]:
    found = []
    for one in read(content, encoding):
        assert isinstance(one, Applicant), one
        found.append(" ".join(filter(None, (one.names.first_name, one.names.surname))))
    return found


class TestEncodings:
    @pytest.mark.parametrize(
        ("raw", "name"),
        [
            ((DUTCH + ROW).encode(), "UTF-8"),
            ((DUTCH + ROW).encode("utf-8-sig"), "UTF-8"),
            ((DUTCH + ROW).encode("cp1252"), "Windows-1252"),
            ((DUTCH + ROW).encode("utf-16"), "UTF-16"),
            (codecs.BOM_UTF16_BE + (DUTCH + ROW).encode("utf-16-be"), "UTF-16"),
            ((DUTCH + ROW).encode("utf-16-le"), "UTF-16-LE"),
        ],
    )
    def test_the_encoding_is_found_out_and_told(self, raw: bytes, name: str) -> None:
        assert names(raw) == ["Zoë van der Meer"]
        assert encoding_name(as_text(io.BytesIO(raw))) == name

    def test_it_can_be_forced(self) -> None:
        assert names((DUTCH + ROW).encode("cp850"), "cp850") == ["Zoë van der Meer"]
        with pytest.raises(InvalidInput, match="is no encoding"):
            as_text(io.BytesIO(b""), "klingon")


class TestDialects:
    @pytest.mark.parametrize(
        "content",
        [
            "sep=;\n" + DUTCH + ROW,
            '"sep=;"\r\n' + DUTCH + ROW,
            "\ufeffsep=;\n" + DUTCH + ROW,
            "SEP=;;;;;\n" + DUTCH + ROW,
            "sep=|\n" + (DUTCH + ROW).replace(";", "|"),
            (DUTCH + ROW).replace(";", "\t"),
            (DUTCH + ROW).replace("\n", ";;\n"),
            DUTCH + ROW.replace("\n", ";;\n"),
            DUTCH + ROW + ";;;;;;\n\n;;\n",
            DUTCH.replace("e-mailadres", '"E-mail\nadres"') + ROW,
            DUTCH + ROW.replace("zoe@example.com", "Zoë van der Meer <zoe@example.com>"),
            DUTCH + ROW.replace("zoe@example.com", "\u00a0zoe@example.com "),
        ],
    )
    def test_what_programs_write_is_read(self, content: str) -> None:
        assert names(content) == ["Zoë van der Meer"]

    def test_a_prefix_that_the_surname_has_already_is_not_doubled(self) -> None:
        assert names(DUTCH + ROW.replace(";Meer;", ";Van der Meer;")) == ["Zoë Van der Meer"]
        assert names(DUTCH + ROW.replace("van der;Meer", ";Meer")) == ["Zoë Meer"]

    def test_cells_beyond_the_header_that_hold_something_are_refused(self) -> None:
        [refusal] = read(DUTCH + ROW.replace("\n", ";x\n"))
        assert isinstance(refusal, Refusal)


class TestReasons:
    def test_all_reasons_of_a_row_are_told_at_once(self) -> None:
        [refusal] = read(DUTCH + ";;;;nobody;misschien;gisteren\n")
        assert isinstance(refusal, Refusal)
        assert refusal.column == "toestemming + toestemming_op + e-mailadres"
        assert all(
            f"{column}: " in refusal.reason for column in ("toestemming", "toestemming_op", "e-mailadres")
        )

    def test_an_invisible_character_is_named(self) -> None:
        [refusal] = read(DUTCH + ROW.replace("zoe@", "zoe\u200b@"))
        assert isinstance(refusal, Refusal)
        assert "U+200B" in refusal.reason

    @pytest.mark.parametrize("word", ["yeſ", "yes\x85", "ｙｅｓ", "yes!", "ja\u200b"])
    def test_what_only_looks_like_a_yes_is_none(self, word: str) -> None:
        with pytest.raises(InvalidInput):
            parse_answer(word)
