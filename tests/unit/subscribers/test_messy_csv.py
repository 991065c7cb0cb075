"""Files as Excel, LibreOffice and other programs write them are read; what they hold is not guessed at."""

from __future__ import annotations

import codecs
import io
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from mailer.errors import InvalidInput
from subscribers.address import AddressHasher
from subscribers.intake import (
    Applicant,
    ApplicantReader,
    PeopleCsv,
    Refusal,
    Refusals,
    as_text,
    encoding_name,
    parse_answer,
)
from subscribers.intake.address_list import read_addresses

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

    @pytest.mark.parametrize("name", ["klingon", "rot13", "hex", "undefined", "", "x" * 5000])
    def test_what_is_no_encoding_of_text_is_refused(self, name: str) -> None:
        with pytest.raises(InvalidInput, match="is not an encoding"):
            as_text(io.BytesIO(b""), name or " ")

    @pytest.mark.parametrize("name", ["utf-16", "utf-32", "idna", "punycode"])
    def test_an_encoding_that_does_not_fit_is_told(self, name: str) -> None:
        with pytest.raises(InvalidInput, match=r"people\.csv, row 1: it is not text in this encoding"):
            PeopleCsv(as_text(io.BytesIO((DUTCH + ROW).encode()), name), "people.csv")
        with pytest.raises(InvalidInput, match=r"list\.txt, row 1: it is not text in this encoding"):
            list(read_addresses(as_text(io.BytesIO("jan@ünï.example\n".encode()), name), "list.txt"))


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


class TestWhatSpreadsheetsWriteInCells:
    """As Excel and LibreOffice in Dutch write CSV files."""

    @pytest.mark.parametrize(
        "date",
        ["1 mei 2026", "vrijdag 1 mei 2026", "1-mei-2026", "01-05-2026 00:00", "'1-5-2026", '"=""1-5-2026"""', "1-5-2026 0:00:00", "1.5.2026", "May 1, 2026"],
    )  # fmt: skip
    def test_dates_in_words_dots_and_formulas_are_read(self, date: str) -> None:
        [found] = read(DUTCH + ROW.replace("01-05-2026", date))
        assert isinstance(found, Applicant), found
        assert found.consented_at == datetime(2026, 4, 30, 22, tzinfo=UTC)

    @pytest.mark.parametrize(
        ("date", "what_to_do"),
        [
            ("1-5-26", "its year has two digits; give the column the format yyyy-mm-dd"),
            ("01-05-26 14:30", "its year has two digits"),
            ("46143", "give the column a date format"),
            ("46143,604", "give the column a date format"),
            ("########", "column was too narrow; widen it"),
            ("#WAARDE!", "error of the spreadsheet"),
            ("#N/B", "error of the spreadsheet"),
            ("1/5/2026", "write 2026-05-01"),
        ],
    )
    def test_what_stands_for_a_date_is_refused_with_what_to_do(self, date: str, what_to_do: str) -> None:
        [found] = read(DUTCH + ROW.replace("01-05-2026", date))
        assert isinstance(found, Refusal)
        assert found.column == "toestemming_op"
        assert what_to_do in found.reason

    @pytest.mark.parametrize(("word", "is_yes"), [("WAAR", True), ("Ja", True), ("'ja", True), ("ONWAAR", False), ("Nee", False)])  # fmt: skip
    def test_the_words_of_dutch_spreadsheets_are_answers(self, word: str, is_yes: bool) -> None:
        assert parse_answer(word) is is_yes

    def test_a_formula_around_a_text_is_taken_off(self) -> None:
        assert names(DUTCH + ROW.replace("Zoë", '"=""Zoë"""')) == ["Zoë van der Meer"]

    def test_an_apostrophe_before_an_address_is_refused_and_one_in_a_name_kept(self) -> None:
        [address] = read(DUTCH + ROW.replace("zoe@", "'zoe@"))
        assert isinstance(address, Refusal)
        assert "apostrophe" in address.reason
        assert names(DUTCH + ROW.replace("van der;Meer", ";'t Hart")) == ["Zoë 't Hart"]

    def test_a_whole_file_out_of_excel_is_read(self) -> None:
        header = 'sep=;\r\nAanhef;Voornaam;Tussenvoegsel;Achternaam;"E-mail\r\nadres";Telefoon;Toestemming;Toestemming op;;\r\n'
        row = 'De heer;André;van der;Meer;André <andre@example.nl>;="06";WAAR;01-05-2026 14:30;;\r\n'
        assert names((header + ";;;;;;;;;\r\n" + row).encode("cp1252")) == ["André van der Meer"]

    def test_a_header_without_consent_names_what_there_is(self) -> None:
        with pytest.raises(
            InvalidInput, match="no column opted_in or opted_in_at; there are Mailadres, Naam"
        ):
            read("Naam;Mailadres\nJan;jan@example.nl\n")

    @pytest.mark.parametrize("start", [b"PK\x03\x04\x14\0\x06\0", bytes.fromhex("d0cf11e0a1b11ae1")])
    def test_a_workbook_is_named_as_such(self, start: bytes) -> None:
        with pytest.raises(InvalidInput, match="own file, not CSV") as refused:
            read(start + bytes(range(256)) * 20)
        assert "CSV UTF-8" in (refused.value.hint or "")

    def test_a_header_in_one_cell_is_named_as_such(self) -> None:
        with pytest.raises(InvalidInput, match="whole line stands in quotation marks"):
            read('"e-mailadres;toestemming;toestemming_op"\n"jan@example.nl;ja;1-5-2026"\n')


def test_the_commonest_reason_of_refusals_is_told_with_its_column(tmp_path: Path) -> None:
    with Refusals(tmp_path / "refused.csv") as refusals:
        assert refusals.commonest() is None
        refusals.write(Refusal(2, "Datum", "it is empty"))
        assert refusals.commonest() == ("Datum: it is empty", 1)
        refusals.write(Refusal(3, "", "it has 1 cell where the header has 6"))
        assert refusals.commonest() is None
        refusals.write(Refusal(4, "Datum", "it is empty"))
        assert refusals.commonest() == ("Datum: it is empty", 2)
