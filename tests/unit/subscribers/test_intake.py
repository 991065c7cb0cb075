"""Import: how a file's rows are read, and what a consent does to somebody who is known."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailer.errors import InvalidInput
from subscribers.address import AddressHasher
from subscribers.intake import (
    Applicant,
    ApplicantReader,
    Decision,
    Field,
    Malformed,
    PeopleCsv,
    Record,
    Refusal,
    SeenAddresses,
    as_text,
    decide,
    parse_answer,
    parse_consent_time,
)
from subscribers.intake.csv_file import MAX_LINE_LENGTH
from subscribers.kinds import ConsentKind
from subscribers.ledger import ConsentStatus
from subscribers.people import Names, parse_name

AMSTERDAM = ZoneInfo("Europe/Amsterdam")
NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
HEADER = "salutation,first_name,surname,email,opted_in,opted_in_at\n"
GOOD = "Ms,Zoë,De Vries,zoe@example.com,yes,2026-05-01T10:00:00+02:00\n"


def opened(content: str | bytes) -> PeopleCsv:
    raw = content if isinstance(content, bytes) else content.encode()
    return PeopleCsv(as_text(io.BytesIO(raw)), "people.csv")


def records(content: str | bytes) -> list[Record | Malformed]:
    return list(opened(content))


def read(content: str | bytes) -> list[Applicant | Refusal | None]:
    file = opened(content)
    reader = ApplicantReader(file, AddressHasher([b"k" * 32]), AMSTERDAM, NOW)
    return [reader.read(record) for record in file]


class TestHeader:
    @pytest.mark.parametrize(
        "header",
        [
            "salutation,first_name,surname,email,opted_in,opted_in_at",
            "aanhef,voornaam,achternaam,e-mailadres,toestemming,toestemming_op",
            "Aanhef;Voornaam;Achternaam;E-mailadres;Toestemming;Toestemming op",
            "SALUTATION,First Name,Last name,E-mail,Opted-in,opted in at",
            '"salutation","first_name","surname","email","opted_in","opted_in_at"',
            "\ufeffsalutation;first name;surname;Email address;consent;consent-at",
        ],
    )
    def test_english_and_dutch_headers_are_known_in_whatever_spelling(self, header: str) -> None:
        assert set(opened(header + "\n").columns) == set(Field) - {Field.PREFIX}

    def test_other_columns_are_named_as_dropped(self) -> None:
        file = opened("email,opted_in,opted_in_at,Phone,,Birthday,\n")
        assert file.dropped == ("Phone", "column 5", "Birthday")

    @pytest.mark.parametrize(
        ("content", "reason"),
        [
            ("", "header is missing"),
            ("\n\n", "header is missing"),
            ("email,opted_in\n", "no column opted_in_at"),
            ("name\n", "no column email or opted_in or opted_in_at"),
            ("email,E-mail,opted_in,opted_in_at\n", "two columns hold the email"),
            (b"\0\0\0" + HEADER.encode(), "not text"),
            ('email,opted_in,opted_in_at,"', "quotation marks"),
        ],
    )
    def test_a_header_that_does_not_do_is_refused_with_its_reason(
        self, content: str | bytes, reason: str
    ) -> None:
        with pytest.raises(InvalidInput, match=f"people.csv, row 1: .*{reason}"):
            opened(content)


class TestRecords:
    def test_rows_are_numbered_as_a_spreadsheet_does_blank_ones_too(self) -> None:
        assert [record.row for record in records(HEADER + GOOD + "\n" + GOOD)] == [2, 4]

    @pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
    def test_all_line_ends_do_and_the_last_may_be_absent(self, end: str) -> None:
        found = records((HEADER + GOOD + GOOD).replace("\n", end).rstrip())
        assert [record.row for record in found] == [2, 3]
        assert all(isinstance(record, Record) for record in found)

    def test_a_row_of_another_width_is_malformed_and_the_next_is_read(self) -> None:
        found = records(HEADER + "a,b\n" + GOOD)
        assert found[0] == Malformed(2, "it has 2 cells where the header has 6")
        assert isinstance(found[1], Record)

    @pytest.mark.parametrize(
        "bad",
        [
            'Ms,"Zoë,De Vries,zoe@example.com,yes,2026-05-01\n',
            'Ms,"Zoë"x,De Vries,zoe@example.com,yes,2026-05-01\n',
            '"\n',
        ],
    )
    def test_a_quotation_mark_that_is_not_closed_loses_its_own_row_only(self, bad: str) -> None:
        found = records(HEADER + bad + GOOD * 3 + bad + GOOD)
        assert [type(record) for record in found] == [Malformed, Record, Record, Record, Malformed, Record]
        assert [record.row for record in found] == [2, 3, 4, 5, 6, 7]

    def test_a_cell_may_hold_line_ends_between_quotation_marks(self) -> None:
        [record] = records(HEADER + 'Ms,"Zoë\nMaria","De ""Vries""",zoe@example.com,yes,2026-05-01\n')
        assert isinstance(record, Record)
        assert record.cells[1:3] == ["Zoë\nMaria", 'De "Vries"']

    def test_a_line_without_end_is_refused_and_skipped_in_pieces(self) -> None:
        found = records(HEADER + "x" * (3 * MAX_LINE_LENGTH) + "\n" + GOOD)
        assert [type(record) for record in found] == [Malformed, Record]
        assert found[1].row == 3

    @given(
        st.lists(
            st.lists(
                st.text(st.characters(exclude_categories=["Cs"], exclude_characters="="), max_size=8),
                min_size=6,
                max_size=6,
            ),
            max_size=6,
        ),
        st.sampled_from([",", ";"]),
    )
    def test_what_the_csv_module_writes_is_read_back(self, rows: list[list[str]], delimiter: str) -> None:
        out = io.StringIO(newline="")
        writer = csv.writer(out, delimiter=delimiter)
        writer.writerow(HEADER.strip().split(","))
        csv.writer(out, delimiter=delimiter, quoting=csv.QUOTE_ALL).writerows(rows)
        found = records(out.getvalue())
        assert [record.cells for record in found if isinstance(record, Record)] == rows
        assert len(found) == len(rows)

    @given(st.binary(max_size=200))
    def test_no_bytes_whatever_break_the_reader_or_the_good_row_after_them(self, junk: bytes) -> None:
        found = read(HEADER.encode() + junk + b"\n\n" + b'"\n' + GOOD.encode())
        assert any(isinstance(each, Applicant) for each in found)


class TestRow:
    def test_a_good_row_becomes_an_applicant(self) -> None:
        [applicant] = read(HEADER + GOOD)
        assert isinstance(applicant, Applicant)
        assert applicant.names == Names("Ms", "Zoë", "De Vries")
        assert applicant.address.key == "zoe@example.com"
        assert applicant.consented_at == datetime(2026, 5, 1, 8, 0, tzinfo=UTC)

    def test_names_may_be_left_out(self) -> None:
        [applicant] = read("email,opted_in,opted_in_at\n zoe@example.com ,1,2026-05-01\n")
        assert isinstance(applicant, Applicant)
        assert applicant.names == Names()

    @pytest.mark.parametrize("word", ["true", "TRUE", "yes", "Ja", "1", "y", "j", " waar ", "opt-in"])
    def test_the_words_that_say_yes(self, word: str) -> None:
        assert parse_answer(word)

    @pytest.mark.parametrize("word", ["", " ", "false", "no", "Nee", "0", "n", "ONWAAR", "opt-out"])
    def test_the_words_that_say_no(self, word: str) -> None:
        assert not parse_answer(word)

    @pytest.mark.parametrize("word", ["maybe", "2", "x", "on", "ja!", "-"])
    def test_consent_is_not_guessed_at(self, word: str) -> None:
        with pytest.raises(InvalidInput, match="neither a yes"):
            parse_answer(word)

    def test_of_a_row_without_consent_nothing_else_is_looked_at(self) -> None:
        assert read(HEADER + "\x00,\x00,\x00,not an address,no,never\n") == [None]

    @pytest.mark.parametrize(
        ("row", "column", "reason"),
        [
            ("Ms,Zoë,De Vries,zoe@@example.com,yes,2026-05-01", "email", "exactly one @"),
            ("Ms,Zoë,De Vries,zoe@example.com,perhaps,2026-05-01", "opted_in", "neither a yes"),
            ("Ms,Zoë,De Vries,zoe@example.com,yes,", "opted_in_at", "it is empty"),
            ("Ms,Zoë,De Vries,zoe@example.com,yes,2027-05-01", "opted_in_at", "future"),
            ('Ms,"Zoë\r\nBcc: x@example.org",De Vries,zoe@example.com,yes,2026-05-01', "first_name", "break"),
            ("Ms,Zoë,De\tVries,zoe@example.com,yes,2026-05-01", "surname", "control character"),
            ("Ms,Zoë,De\x00Vries,zoe@example.com,yes,2026-05-01", "surname", "control character"),
            ("Ms,Zoë,De\u202eVries,zoe@example.com,yes,2026-05-01", "surname", "control character"),
            (f"Ms,{'Z' * 201},De Vries,zoe@example.com,yes,2026-05-01", "first_name", "longer than 200"),
            (
                "Ms," + "\u0958" * 101 + ",De Vries,zoe@example.com,yes,2026-05-01",
                "first_name",
                "longer than 200",
            ),
            (f"{'M' * 201},Zoë,De Vries,zoe@example.com,yes,2026-05-01", "salutation", "longer than 200"),
        ],
    )
    def test_a_bad_row_is_refused_with_its_column_and_reason(
        self, row: str, column: str, reason: str
    ) -> None:
        [refusal, good] = read(HEADER + row + "\n" + GOOD)
        assert isinstance(refusal, Refusal)
        assert (refusal.row, refusal.column) == (2, column)
        assert reason in refusal.reason
        assert isinstance(good, Applicant)

    @pytest.mark.parametrize(
        "nothing", ["NULL", "null", " None ", r"\N", "N/A", "n/a", "#N/A", "NaN", "undefined", "n.v.t."]
    )
    def test_what_a_database_writes_for_no_name_is_no_name(self, nothing: str) -> None:
        header = "email,opted_in,opted_in_at,salutation,first_name,tussenvoegsel,surname\n"
        row = f"zoe@example.com,yes,2026-05-01,{nothing},{nothing},{nothing},{nothing}\n"
        [applicant] = read(header + row)
        assert isinstance(applicant, Applicant)
        assert applicant.names == Names()

    @pytest.mark.parametrize("name", ["Null", "Nan", "van None", "Onbekend", "Na"])
    def test_a_name_that_looks_like_nothing_stays(self, name: str) -> None:
        [applicant] = read(HEADER + f"Mr,{name},{name},zoe@example.com,yes,2026-05-01\n")
        assert isinstance(applicant, Applicant)
        assert applicant.names == Names("Mr", name, name)

    def test_bytes_that_are_not_utf8_spoil_their_own_row_only(self) -> None:
        bad = GOOD.encode("latin-1")
        [refusal, good] = read(HEADER.encode() + bad + GOOD.encode())
        assert refusal == Refusal(2, "first_name", "it is not UTF-8 text")
        assert isinstance(good, Applicant)

    @given(st.text(max_size=250))
    def test_a_name_is_one_line_of_at_most_200_characters_or_refused(self, raw: str) -> None:
        try:
            given_name = parse_name(raw)
        except InvalidInput:
            return
        assert len(given_name) <= 200
        assert len(given_name.splitlines()) <= 1
        assert "\0" not in given_name
        assert given_name.encode().decode() == given_name


class TestTime:
    @pytest.mark.parametrize(
        ("raw", "instant"),
        [
            ("2026-05-01T10:00:00+02:00", "2026-05-01T08:00:00"),
            ("2026-05-01T10:00:00Z", "2026-05-01T10:00:00"),
            ("2026-05-01T10:00:00.5+0200", "2026-05-01T08:00:00.500000"),
            ("2026-05-01 10:00", "2026-05-01T08:00:00"),
            ("2026-05-01", "2026-04-30T22:00:00"),
            ("1-5-2026 10:00", "2026-05-01T08:00:00"),
            ("01-05-2026 9:05:30", "2026-05-01T07:05:30"),
            ("01-05-2026", "2026-04-30T22:00:00"),
            ("2026-01-15 10:00", "2026-01-15T09:00:00"),
            (" 2026-05-01 10:00 ", "2026-05-01T08:00:00"),
        ],
    )
    def test_a_time_without_a_zone_is_read_in_the_settings_zone(self, raw: str, instant: str) -> None:
        assert parse_consent_time(raw, AMSTERDAM, NOW) == datetime.fromisoformat(instant).replace(tzinfo=UTC)

    def test_of_a_clock_time_that_came_twice_the_first_is_meant(self) -> None:
        """On 25 October 2026 summer time ended at 3:00; 2:30 was at 00:30 and at 01:30 UTC."""
        assert parse_consent_time("2026-10-25 02:30", AMSTERDAM, NOW) == datetime(
            2026, 10, 25, 0, 30, tzinfo=UTC
        )

    def test_a_clock_time_that_never_was_is_refused(self) -> None:
        """On 29 March 2026 the clock went from 2:00 to 3:00."""
        with pytest.raises(InvalidInput, match="never was in Europe/Amsterdam"):
            parse_consent_time("2026-03-29 02:30", AMSTERDAM, NOW)

    @pytest.mark.parametrize(
        ("raw", "reason"),
        [
            ("", "is empty"),
            ("yesterday", "not a time"),
            ("5/1/2026 10:00", "with slashes it is unclear"),
            ("2026-02-30", "not a time"),
            ("31-6-2026", "not a time"),
            ("2026-05-01T25:00", "not a time"),
            ("20260501", "not a time"),
            ("46143", "number by which a spreadsheet counts days"),
            ("٢٠٢٦-٠٥-٠١", "not a time"),
            ("0001-01-01T00:00:00+14:00", "not a time"),
            ("1900-01-00", "not a time"),
            ("1900-01-01", "before 1990"),
            ("2026-11-22T12:00:00.000001Z", "future"),
        ],
    )
    def test_what_is_no_time_of_consent_is_refused(self, raw: str, reason: str) -> None:
        with pytest.raises(InvalidInput, match=reason):
            parse_consent_time(raw, AMSTERDAM, NOW)

    @given(st.datetimes(datetime(1991, 1, 1), datetime(2026, 11, 1), timezones=st.timezones()))  # noqa: DTZ001
    def test_an_iso_time_with_its_offset_is_read_exactly(self, moment: datetime) -> None:
        if moment.utcoffset() % timedelta(minutes=1):  # type: ignore[operator]
            return  # ISO 8601 has no seconds in an offset
        assert parse_consent_time(moment.isoformat(), AMSTERDAM, NOW) == moment.astimezone(UTC)

    @given(st.text(max_size=30))
    def test_no_text_whatever_gives_a_future_or_naive_time(self, raw: str) -> None:
        try:
            moment = parse_consent_time(raw, AMSTERDAM, NOW)
        except InvalidInput:
            return
        assert moment.utcoffset() == timedelta(0)
        assert moment <= NOW


class TestVerdict:
    EARLIER, THEN, LATER = (NOW - timedelta(days=days) for days in (3, 2, 1))

    @pytest.mark.parametrize(
        ("state", "suppressed", "given_at", "decision"),
        [
            (None, False, THEN, Decision.GRANTED),
            (ConsentKind.REQUESTED, False, EARLIER, Decision.GRANTED),
            (ConsentKind.GRANTED, False, EARLIER, Decision.UNCHANGED),
            (ConsentKind.GRANTED, False, THEN, Decision.UNCHANGED),
            (ConsentKind.GRANTED, False, LATER, Decision.GRANTED),
            (ConsentKind.WITHDRAWN, False, EARLIER, Decision.STILL_WITHDRAWN),
            (ConsentKind.WITHDRAWN, False, THEN, Decision.STILL_WITHDRAWN),
            (ConsentKind.WITHDRAWN, False, LATER, Decision.GRANTED),
            (ConsentKind.OBJECTED, False, THEN, Decision.STILL_WITHDRAWN),
            (ConsentKind.OBJECTED, False, LATER, Decision.GRANTED),
            (None, True, THEN, Decision.STILL_WITHDRAWN),
            (None, True, LATER, Decision.GRANTED),
            (ConsentKind.GRANTED, True, THEN, Decision.STILL_WITHDRAWN),
            (ConsentKind.GRANTED, True, LATER, Decision.GRANTED),
        ],
    )
    def test_only_a_later_consent_undoes_a_withdrawal_or_a_suppression(
        self, state: ConsentKind | None, suppressed: bool, given_at: datetime, decision: Decision
    ) -> None:
        status = ConsentStatus(state, self.THEN, 1) if state else None
        assert decide(given_at, status, self.THEN if suppressed else None) is decision

    def test_of_a_withdrawal_and_a_suppression_the_later_one_counts(self) -> None:
        withdrawn = ConsentStatus(ConsentKind.WITHDRAWN, self.LATER, 1)
        assert decide(self.LATER, withdrawn, self.EARLIER) is Decision.STILL_WITHDRAWN
        withdrawn = ConsentStatus(ConsentKind.WITHDRAWN, self.EARLIER, 1)
        assert decide(self.LATER, withdrawn, self.LATER) is Decision.STILL_WITHDRAWN


def test_each_address_is_seen_once_however_many_there_are() -> None:
    seen = SeenAddresses()
    hashes = [sha256(str(number).encode()).hexdigest() for number in range(20_000)]
    assert all(seen.first_row(each, row) is None for row, each in enumerate(hashes, 2))
    assert [seen.first_row(each, 99_999) for each in hashes] == list(range(2, 20_002))
