"""How a mail begins, in the grammar of each language."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from templates.language import greet, load_texts
from templates.language.greeting import capitalise_particle

ANYTHING = st.none() | st.text(max_size=30)


@pytest.mark.parametrize(
    ("salutation", "surname", "expected"),
    [
        ("mevrouw", "de Vries", "Geachte mevrouw De Vries"),
        ("Mevr.", "Jansen", "Geachte mevrouw Jansen"),
        ("mw.", "van den Berg", "Geachte mevrouw Van den Berg"),
        ("Ms", "van der Meulen-de Vries", "Geachte mevrouw Van der Meulen-de Vries"),
        ("Mrs.", "Ångström-Łuczak", "Geachte mevrouw Ångström-Łuczak"),
        ("dhr.", "'t Hooft", "Geachte heer 't Hooft"),
        ("de heer", "’s-Gravesande", "Geachte heer ’s-Gravesande"),
        ("De Heer", "in 't Veld", "Geachte heer In 't Veld"),
        ("Mr", "d'Ancona", "Geachte heer D'Ancona"),
        ("heer", "el Amrani", "Geachte heer El Amrani"),
        ("dhr. ir.", "ten Have", "Geachte heer Ten Have"),
        ("mevr. prof. dr.", "von Trapp", "Geachte mevrouw Von Trapp"),
        ("prof. dr.", "de Boer", "Geachte professor De Boer"),
        ("dr.", "de Boer", "Geachte dr. De Boer"),
        ("Geachte mevrouw", "de Vries", "Geachte mevrouw De Vries"),
    ],
)
def test_dutch_capitalises_the_first_particle_after_a_salutation(salutation, surname, expected):
    assert greet("nl", salutation, "Zoë", surname) == expected


@pytest.mark.parametrize(
    ("salutation", "surname", "expected"),
    [
        ("mevrouw", "de Vries", "Dear Ms de Vries"),
        ("Mrs", "Smith", "Dear Mrs Smith"),
        ("Miss", "Smith", "Dear Miss Smith"),
        ("mr.", "van den Berg", "Dear Mr van den Berg"),
        ("Mx", "'t Hooft", "Dear Mx 't Hooft"),
        ("dhr.", "d'Ancona", "Dear Mr d'Ancona"),
        ("Mr Dr", "Jansen", "Dear Dr Jansen"),
        ("prof.", "Ångström-Łuczak", "Dear Professor Ångström-Łuczak"),
    ],
)
def test_english_leaves_the_particle_as_its_bearer_writes_it(salutation, surname, expected):
    assert greet("en", salutation, "Zoë", surname) == expected


@pytest.mark.parametrize("salutation", ["", None, "dhr./mevr.", "heer/mevrouw", "Mr & Mrs", "Baron", "?"])
def test_a_salutation_that_is_missing_unknown_or_open_leaves_the_first_name(salutation):
    assert greet("nl", salutation, "Zoë", "de Vries") == "Beste Zoë"
    assert greet("en", salutation, "Zoë", "de Vries") == "Dear Zoë"


def test_dutch_has_no_word_for_mx_and_takes_the_first_name():
    assert greet("nl", "Mx", "Robin", "de Vries") == "Beste Robin"


def test_mr_in_lower_case_is_a_lawyers_title_in_dutch():
    assert greet("nl", "mr.", "Anna", "de Vries") == "Beste Anna"
    assert greet("nl", "mevr. mr.", "Anna", "de Vries") == "Geachte mevrouw De Vries"
    assert greet("en", "mr.", "Peter", "Smith") == "Dear Mr Smith"


def test_without_a_surname_the_salutation_does_not_stand_alone():
    assert greet("nl", "mevrouw", "Zoë", "") == "Beste Zoë"
    assert greet("en", "Ms", "Zoë", None) == "Dear Zoë"


@pytest.mark.parametrize(
    ("first_name", "surname"), [("", ""), (None, None), (" ", "de Vries"), ("-", "?"), ("...", "")]
)
def test_where_no_name_is_left_the_greeting_is_neutral(first_name, surname):
    assert greet("nl", "", first_name, surname) == "Beste lezer"
    assert greet("en", "", first_name, surname) == "Dear reader"


def test_white_space_around_and_inside_a_name_becomes_single_spaces():
    assert greet("nl", " mevrouw ", None, "  van  den\tBerg ") == "Geachte mevrouw Van den Berg"


@pytest.mark.parametrize("surname", ["Jansen", "jansen", "ffrench", "De Vries", "'t Hooft", "ʼt Hooft"])
def test_a_name_of_one_word_or_with_an_apostrophe_first_keeps_its_spelling(surname):
    assert capitalise_particle(surname) == surname


@given(st.sampled_from(["nl", "en"]), ANYTHING, ANYTHING, ANYTHING)
def test_a_greeting_is_one_line_of_words_whatever_the_fields_hold(locale, salutation, first_name, surname):
    said = greet(locale, salutation, first_name, surname)
    assert said == " ".join(said.split())
    assert said.split()[0] in {"Geachte", "Beste", "Dear"}
    assert len(said.split()) > 1


@pytest.mark.parametrize(
    ("locale", "first_name", "greeting"),
    [
        ("nl", "Zoë", "Beste Zoë"),
        ("en", "Zoë", "Hi Zoë"),
        ("nl", "", "Geachte mevrouw De Vries"),
        ("en", "-", "Ms"),
    ],
)
def test_the_informal_register_greets_by_the_first_name(locale, first_name, greeting):
    assert greeting in greet(locale, "mevrouw", first_name, "de Vries", "informal")


def test_the_informal_texts_say_je():
    assert "Je ontvangt" in load_texts("nl", "informal")["mail"]["why"]
    assert "U ontvangt" in load_texts("nl")["mail"]["why"]
