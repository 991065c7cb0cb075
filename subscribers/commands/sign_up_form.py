"""mailer consent form: the sign-up form to put into a page of one's own."""

from __future__ import annotations

import click

from mailer.commands import CommandContext, json_option
from mailer.errors import Refused
from subscribers.commands.options import topic_option, topic_or_default
from subscribers.intake.signup import sign_up_form
from templates.language import LOCALES, parse_locale


@click.command("form")
@topic_option
@click.option("--language", type=click.Choice(LOCALES), help="The form's language; by default the settings'.")
@json_option
@click.pass_obj
def form(context: CommandContext, topic: str | None, language: str | None, as_json: bool) -> None:
    """Print the sign-up form, to put into a page of your own.

    It is plain HTML without scripts and cookies. It posts to /signup/TOPIC of `mailer serve`; [sign_up] topics in
    the settings names the topics that it takes.

    \b
    Example:
      mailer consent form --language nl > form.html
    """
    from templates.brand import Brand  # noqa: PLC0415 - Jinja2 is slow to import
    from templates.page import Pages  # noqa: PLC0415

    settings = context.settings
    about = topic_or_default(context, topic)
    if about not in settings.sign_up.topics:
        raise Refused(
            f"Nobody can sign up for {about}.",
            hint=f'Turn it on in mailer.toml: [sign_up] topics = ["{about}"].',
        )
    locale = parse_locale(language or settings.locale)
    brand = Brand(settings.brand.name, settings.brand.colour)
    pages = Pages(brand, settings.templates_dir, settings.form_of_address)
    shown = sign_up_form(settings.topics, about, locale, pages)
    html = pages.render_embedded_form(shown, locale, f"{settings.public_url}/signup/{about}")
    context.report({"html": html}, html, as_json=as_json)
