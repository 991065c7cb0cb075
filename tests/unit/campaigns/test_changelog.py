"""A changelog's section is found whole, or refused with the lines that make it doubtful."""

from __future__ import annotations

from datetime import date
from textwrap import dedent

import pytest

from campaigns.notes.changelog import Changelog, ReleaseStatus
from mailer.errors import InvalidInput, NotFound


def changelog(text: str) -> Changelog:
    return Changelog(dedent(text).lstrip("\n"), "CHANGELOG.md")


def body(text: str, version: str) -> str:
    return changelog(text).find(version).body


def versions(text: str) -> list[str]:
    return [str(release.versions[0]) for release in changelog(text).releases]


def refusal(text: str, version: str) -> InvalidInput:
    with pytest.raises(InvalidInput) as refused:
        changelog(text).find(version)
    return refused.value


class TestStructure:
    def test_a_sub_heading_that_names_a_version_neither_begins_nor_ends_a_section(self):
        text = """
            # v1.30.3

            ## Downloads for v1.30.3

            Get it.

            ## Changelog since v1.30.2

            - New in 1.30.3: the feature

            # v1.30.2

            ## Changelog since v1.30.1

            - New in 1.30.2: the fix
            """
        assert versions(text) == ["1.30.3", "1.30.2"]
        assert body(text, "1.30.3").startswith("## Downloads")
        assert body(text, "1.30.3").endswith("the feature")
        assert body(text, "1.30.2") == "## Changelog since v1.30.1\n\n- New in 1.30.2: the fix"

    @pytest.mark.parametrize(
        "words", ["Since 1.9.0", "Changes from 1.9.0", "Downloads for v1.9.0", "Sinds 1.9.0"]
    )
    def test_since_from_and_for_begin_nothing_on_the_level_of_the_versions_either(self, words):
        text = f"## 2.0.0\n\n- a\n\n## {words}\n\n- b\n\n## 1.9.0\n\n- c\n"
        assert versions(text) == ["2.0.0", "1.9.0"]
        assert body(text, "2.0.0") == f"- a\n\n## {words}\n\n- b"

    @pytest.mark.parametrize(
        "words",
        [
            "Upgrading from 1.9.0",
            "Python 3.8 dropped",
            "React 18",
            "Node 20.1.0",
            "Breaking changes in 1.9",
            "What's new in 1.9",
            "Support for PostgreSQL 17.2",
            "Migrating 1.x -> 2.0",
            "1.9 → 2.0",
            "`@acme/ui@1.9.0`",
            "acme-ui 1.9.0",
            "Unreleased features of 1.9",
            "2024-01-01",
            "3 fixes",
        ],
    )
    def test_a_deeper_heading_never_ends_its_parent(self, words):
        text = f"## 2.0.0 - 2026-01-01\n\nIntro.\n\n### {words}\n\nRun it.\n\n### Fixed\n\n- A bug\n\n## 1.8.0\n\n- c\n"
        assert body(text, "2.0.0") == f"Intro.\n\n### {words}\n\nRun it.\n\n### Fixed\n\n- A bug"
        assert versions(text) == ["2.0.0", "1.8.0"]

    def test_releases_may_stand_on_several_levels_by_rank(self):
        text = "# 4.8.0\n\n- hooks\n\n## 4.7.2\n\n- two\n\n## 4.7.1\n\n- one\n\n# 4.7.0\n\n- minor\n"
        assert versions(text) == ["4.8.0", "4.7.2", "4.7.1", "4.7.0"]
        assert [body(text, version) for version in versions(text)] == ["- hooks", "- two", "- one", "- minor"]
        assert versions(f"## 4.8.1\n\n- urgent\n\n{text}")[0] == "4.8.1"
        assert body(f"## 4.8.1\n\n- urgent\n\n{text}", "4.8.1") == "- urgent"

    def test_releases_may_stand_on_several_levels_by_date(self):
        text = "# [2.0.0](https://e.x) (2026-02-01)\n\n- big\n\n### [1.9.3](https://e.x) (2026-01-01)\n\n### Fixed\n\n- small\n"
        assert body(text, "2.0.0") == "- big"
        assert body(text, "1.9.3") == "### Fixed\n\n- small"

    @pytest.mark.parametrize("version", ["3.0.0", "2.9.0"])
    def test_a_bare_version_below_another_is_refused_with_both_lines(self, version):
        text = "## 3.0.0\n\n- a\n\n### 2.9.0\n\n- migrate\n\n## 2.8.0\n\n- old\n"
        said = str(refusal(text, version))
        assert "line 1" in said
        assert "line 5" in said
        assert body(text, "2.8.0") == "- old"

    def test_packages_and_the_version_itself_below_a_version_are_parts_of_it(self):
        text = "## 9.5.0\n\nIntro.\n\n### `@acme/material@9.5.0`\n\n- a\n\n### @acme/lab@5.0.0-alpha.1\n\n- b\n\n## 9.4.0\n\n- c\n"
        assert body(text, "9.5.0").endswith("- b")
        assert versions(text) == ["9.5.0", "9.4.0"]

    def test_a_series_above_its_releases_is_not_one_of_them(self):
        text = "# 2.x\n\n## 2.1.0\n\n- b\n\n## 2.0.0\n\n- a\n\n# 1.x\n\n## 1.0.0\n\n- first\n"
        assert versions(text) == ["2.1.0", "2.0.0", "1.0.0"]
        assert body(text, "2.0.0") == "- a"
        grouped = "# 2.0\n\nAbout the series.\n\n## 2.0.1\n\n- b\n\n## 2.0.0\n\n- a\n"
        assert body(grouped, "2.0.1") == "- b"
        assert "line 1 stands above" in str(refusal(grouped, "2.0"))

    def test_a_title_that_speaks_of_a_version_begins_nothing(self):
        text = "# Changelog for v1.9\n\nIntro.\n\n## v1.8\n\n- a thing\n\n## v1.7\n\n- old\n"
        assert versions(text) == ["1.8", "1.7"]
        assert body(text, "1.8") == "- a thing"
        with pytest.raises(NotFound, match=r"There are 1\.8, 1\.7"):
            changelog(text).find("1.9")

    def test_headings_of_their_own_level_belong_to_the_version_above(self):
        text = "## 1.1\n\n## What's Changed\n\n- a\n\n## 1.0\n\n- b\n\n## New Contributors\n\n- c\n"
        assert body(text, "1.1") == "## What's Changed\n\n- a"
        assert body(text, "1.0") == "- b\n\n## New Contributors\n\n- c"

    @pytest.mark.parametrize(
        "heading",
        ["## Older releases", "## Earlier versions", "# About", "# Oudere versies", "## 0.x series"],
    )
    def test_the_last_section_ends_where_something_else_begins(self, heading):
        assert body(f"## 1.0\n\n- a\n\n{heading}\n\n- b\n", "1.0") == "- a"

    def test_a_higher_heading_between_two_versions_is_refused_with_both_lines(self):
        text = "### 1.1.0\n\n- a\n\n## Features\n\n- b\n\n### 1.0.0\n\n- c\n"
        said = str(refusal(text, "1.1.0"))
        assert "line 1" in said
        assert "line 5" in said

    def test_a_version_beside_other_words_on_the_level_of_the_versions_is_refused_with_both_lines(self):
        text = "## 2.0.0\n\n- a\n\n## Acme 1.9.5\n\n- b\n\n## 1.9.0\n\n- c\n"
        said = str(refusal(text, "2.0.0"))
        assert "line 1" in said
        assert "line 5" in said

    def test_a_line_in_bold_that_holds_another_version_is_refused(self):
        text = "## 2.0.0\n\n- a\n\n**1.9.0**\n\n- b\n\n## 1.8.0\n\n- c\n"
        said = str(refusal(text, "2.0.0"))
        assert "line 1" in said
        assert "line 5" in said

    def test_one_version_with_two_sections_is_refused_with_both_lines(self):
        text = "# Changelog\n## [1.1.0] - 2026-03-02\n- auto\n## [1.1.0] - 2026-03-01\n- real\n## [1.0.0]\n- first\n"
        said = str(refusal(text, "1.1.0"))
        assert "lines 2 and 4" in said
        assert body(text, "1.0.0") == "- first"

    def test_headings_in_code_lists_quotes_and_comments_are_none(self):
        text = "## 2.0\n\n```\n## 1.9\n```\n\n- item\n\n  ## 1.8\n\n> ## 1.7\n\n<!--\n## 1.6\n-->\n\n    ## 1.5\n\n## 1.4\n\n- x\n"
        assert versions(text) == ["2.0", "1.4"]

    def test_sections_may_be_in_ascending_order(self):
        text = "## 1.0.0\n\n- a\n\n### Since 0.9\n\n- b\n\n## 1.1.0\n\n- c\n\n## Unreleased\n\n- d\n"
        assert body(text, "1.0.0") == "- a\n\n### Since 0.9\n\n- b"
        assert body(text, "1.1.0") == "- c"


class TestHeadings:
    @pytest.mark.parametrize(
        ("heading", "day"),
        [
            ("## [2.4.0] - 2026-11-01", date(2026, 11, 1)),
            ("## [v2.4.0] – 2026-11-01", date(2026, 11, 1)),
            ("## 2.4.0 (2026-11-01)", date(2026, 11, 1)),
            ("## 2.4.0 / 2026/11/1", date(2026, 11, 1)),
            ("## [2.4.0](https://example.com/compare/2.3.0...2.4.0) (2026-11-01)", date(2026, 11, 1)),
            ("## [2.4.0 - 2026-11-01](https://example.com/2.4.0)", date(2026, 11, 1)),
            ("## 2026-11-01, Version 2.4.0 'Iron' (LTS), @someone", date(2026, 11, 1)),
            ("## 2026-11-01 - 2.4.0", date(2026, 11, 1)),
            ("## 1.11.2026: 2.4.0", date(2026, 11, 1)),
            ("## 2.4.0 - 01.11.2026", date(2026, 11, 1)),
            ("## 2.4.0 (15-11-2026)", date(2026, 11, 15)),
            ("## 2.4.0 (1st November, 2026)", date(2026, 11, 1)),
            ("## 2.4.0 — November 1, 2026", date(2026, 11, 1)),
            ("## 2.4.0 (Sun Nov 1 2026 10:00:00 GMT+0100 (CET))", date(2026, 11, 1)),
            ("## Versie 2.4.0 (1 november 2026)", date(2026, 11, 1)),
            ("## Versie 2.4.0 van zondag 1 november 2026", date(2026, 11, 1)),
            ("## 2.4.0\n\n> 2026-11-01", date(2026, 11, 1)),
            ("## 2.4.0\n\n_Released 1 November 2026_", date(2026, 11, 1)),
            ("# 2.4.0", None),
            ("### v2.4.0", None),
            ("#### 2.4.0", None),
            ("###### 2.4.0", None),
            ("2.4.0\n-----", None),
            ("Version 2.4.0 (1 Nov 2026)\n==========================", date(2026, 11, 1)),
            ('## Release 2.4.0 "Harbour"', None),
            ("## 2.4.0 Harbour", None),
            ("## 2.4.0: the harbour release", None),
            ("## Acme Cloud 2.4.0 - 01/11/2026", None),
            ("## 🚀 2.4.0", None),
            ("## :tada: 2.4.0", None),
            ("## 🚀 What's new in 2.4.0", None),
            ("## Nieuw in 2.4.0", None),
            ("## Версия 2.4.0", None),
            ("## 版本 2.4.0", None),
            ("## バージョン 2.4.0", None),
            ("## 2.4.0 - 2026-13-45", None),
            ("## `2.4.0`", None),
            ("## **2.4.0**", None),
            ("## [2.4.0][] - 2026-11-01", date(2026, 11, 1)),
            ('## 2.4.0 <a name="2.4.0"></a>', None),
            ("## <small>2.4.0</small> - 2026-11-01", date(2026, 11, 1)),
            ("**2.4.0**", None),
            ("**2.4.0** (2026-11-01)", date(2026, 11, 1)),
            ("2.4.0 (2026-11-01)", date(2026, 11, 1)),
            ("v2.4.0:", None),
        ],
    )
    def test_headings_are_read_as_teams_write_them(self, heading, day):
        release = changelog(f"{heading}\n\n- text\n").find("v2.4.0")
        assert (release.version, release.date) == ("2.4.0", day)
        assert release.body.endswith("- text")

    def test_items_of_a_list_may_be_the_headings(self):
        text = "# History\n\n* 1.1.0 (2026-01-01)\n  * new\n    * detail\n  * newer\n* 1.0.0\n  * first\n"
        assert versions(text) == ["1.1.0", "1.0.0"]
        assert body(text, "1.1.0") == "* new\n  * detail\n* newer"
        assert body(text, "1.0.0") == "* first"

    def test_lines_in_bold_hold_the_sections_where_there_are_no_headings(self):
        text = "Changes\n\n**1.1.0**\n- new\n\n### Fixed\n\n- x\n\n**1.0.0**\n\n- first\n"
        assert body(text, "1.1.0") == "- new\n\n### Fixed\n\n- x"
        assert body(text, "1.0.0") == "- first"

    def test_dates_alone_are_versions_where_there_are_no_others(self):
        text = "# Changelog\n\n## 2026-11-01\n\n- b\n\n## 2026-10-01\n\n- a\n"
        assert body(text, "2026-10-01") == "- a"
        assert body("## 2026.11.01\n\n- b\n\n## 2026.10.01\n\n- a\n", "2026.11.01") == "- b"

    def test_numbers_alone_are_versions_where_there_are_no_others(self):
        assert body("# News\n\n## 43\n\n- b\n\n## 42\n\n- a\n", "42") == "- a"
        assert body("## Version 43\n\n- b\n\n## Version 42\n\n- a\n", "43") == "- b"
        assert versions("# 2026\n\n## 1.1.0\n\n- b\n\n# 2025\n\n## 1.0.0\n\n- a\n") == ["1.1.0", "1.0.0"]

    @pytest.mark.parametrize(
        "version",
        ["2026.1", "1.0.0rc1", "1.2.3-beta.1", "1.2.3+build.5", "24.1a1", "3.0.0 beta 42", "10.0.0.1"],
    )
    def test_versions_keep_their_suffix(self, version):
        assert changelog(f"## {version} - 2026-11-01\n\n- x\n").find(version).version == version

    def test_one_version_is_found_however_it_is_written(self):
        text = "## v1.0.0-rc.1\n\n- x\n"
        for wanted in ("1.0.0rc1", "v1.0.0-rc1", "[1.0.0-rc.1]"):
            assert body(text, wanted) == "- x"

    def test_a_heading_may_name_several_versions(self):
        text = "## 5.15.7 / 4.15.7\n\n- both\n\n## 5.15.6\n\n- one\n"
        assert body(text, "4.15.7") == body(text, "5.15.7") == "- both"


class TestPackages:
    TEXT = "## @acme/cli@1.2.3\n\n- cli\n\n## acme-ui-v1.2.3\n\n- ui\n\n## core/v1.2.0\n\n- core\n"

    @pytest.mark.parametrize(
        ("wanted", "said"),
        [
            ("@acme/cli@1.2.3", "- cli"),
            ("cli@1.2.3", "- cli"),
            ("acme-ui-v1.2.3", "- ui"),
            ("acme-ui@1.2.3", "- ui"),
            ("core/v1.2.0", "- core"),
            ("1.2.0", "- core"),
        ],
    )
    def test_a_package_is_named_with_its_version(self, wanted, said):
        assert body(self.TEXT, wanted) == said

    def test_with_several_packages_the_package_is_asked_for(self):
        error = refusal(self.TEXT, "1.2.3")
        assert "lines 1 and 5" in str(error)
        assert "@acme/cli@1.2.3, acme-ui@1.2.3" in str(error.hint)

    def test_only_with_several_packages_is_a_release_called_by_its_own(self):
        found = changelog("## @acme/cli@1.2.3\n\n- A\n\n## What's new in 1.2.2\n\n- B\n")
        assert found.label(found.find("1.2.3")) == "1.2.3"
        several = changelog(self.TEXT)
        assert several.label(several.find("core@1.2.0")) == "core 1.2.0"

    def test_a_package_that_stands_before_every_version_need_not_be_named(self):
        text = "## @acme/cli@1.2.3\n\n- A thing\n\n## @acme/cli@1.2.2\n\n- Old\n"
        assert changelog(text).product == "@acme/cli"
        assert body(text, "1.2.3") == body(text, "@acme/cli@1.2.3") == "- A thing"


class TestStatus:
    @pytest.mark.parametrize(
        "heading",
        [
            "1.17.0 (Unreleased)",
            "[1.17.0] - Unreleased",
            "v1.17.0 (TBC)",
            "1.17.0 - TBD",
            "1.17.0 (in development)",
            "1.17.0 (in ontwikkeling)",
            "1.17.0-dev",
            "1.17.0.dev0",
            "1.17.0-SNAPSHOT",
            "1.17.0 (not yet released)",
            "1.17.0 (nog niet uitgebracht)",
            "1.17.0 - ????-??-??",
            "1.17.0 - 2026-xx-xx",
            "1.17.0 (YYYY-MM-DD)",
            "1.17.0 (upcoming)",
            "[Unreleased] 1.17.0",
            "1.17.0\n\n_Unreleased_",
            "1.17.0\n\n> Release date: TBD",
        ],
    )
    def test_what_is_not_released_is_refused(self, heading):
        text = f"## {heading}\n\n- secret\n\n## 1.16.0 (2026-01-01)\n\n- out\n"
        wanted = changelog(text).releases[0].version
        assert f"version {wanted} on line 1 is marked as not released" in str(refusal(text, wanted))
        assert body(text, "1.16.0") == "- out"

    @pytest.mark.parametrize(
        "heading",
        [
            "2.3.1 - 2026-10-02 [YANKED]",
            "[YANKED] 2.3.1",
            "~~[2.3.1] - 2026-10-02~~",
            "2.3.1 (ingetrokken)",
            "2.3.1 (yanked; use 2.3.2)",
            "2.3.1 - Withdrawn",
        ],
    )
    def test_what_was_yanked_is_refused(self, heading):
        assert "is marked as yanked" in str(refusal(f"## {heading}\n\n- broken\n", "2.3.1"))

    @pytest.mark.parametrize(
        "heading", ["Unreleased", "[Unreleased]", "Next", "vNext", "Unreleased changes", "main (unreleased)"]
    )
    def test_a_section_of_what_is_unreleased_is_no_release(self, heading):
        text = f"# Changelog\n\n## {heading}\n\n- secret\n\n## 1.0.0\n\n- out\n"
        assert versions(text) == ["1.0.0"]
        with pytest.raises(NotFound):
            changelog(text).find(heading)

    def test_all_that_speaks_against_a_section_is_told_at_once(self):
        said = str(refusal("## 1.1 (Unreleased)\n\n## 1.1\n\n- x\n", "1.1"))
        assert "2 sections, on lines 1 and 3" in said
        assert "not released" in said
        assert "says nothing" in said

    def test_pre_releases_are_found_when_named(self):
        release = changelog("## 2.0.0-rc.1\n\n- x\n").find("2.0.0-rc.1")
        assert release.status is ReleaseStatus.RELEASED
        assert release.versions[0].is_pre_release
        assert not changelog("## 2.0.0-1\n\n- x\n").find("2.0.0-1").versions[0].is_pre_release


class TestMessages:
    def test_a_version_that_is_not_there_is_answered_with_those_that_are_and_both_ways_on(self):
        error = refusal("## 1.1.0\n\n- b\n\n## 1.0.0\n\n- a\n", "2.5.0")
        assert str(error).startswith("CHANGELOG.md: there is no section for version 2.5.0.")
        assert "There are 1.1.0, 1.0.0." in str(error.hint)
        assert "## [2.4.0] - 2026-11-01" in str(error.hint)
        assert "a file of their own" in str(error.hint)

    @pytest.mark.parametrize("wanted", ["unreleased", "Unreleased", "[Unreleased]"])
    def test_who_asks_for_unreleased_is_told_that_it_is_no_release(self, wanted):
        error = refusal("## [Unreleased]\n\n- b\n\n## 1.0.0\n\n- a\n", wanted)
        assert str(error).startswith(f"CHANGELOG.md: {wanted} names no release.")
        assert "its version and date once it is released" in str(error.hint)

    def test_a_file_without_versions_says_how_to_write_them(self):
        error = refusal("# Hello\n\nText.", "1.0")
        assert "No heading in the file names a version" in str(error.hint)

    def test_a_long_history_is_not_listed_whole(self):
        text = "\n".join(f"## 1.{minor}.0\n\n- x\n" for minor in range(30))
        assert "1.11.0 and 18 more." in str(refusal(text, "9.9").hint)


class TestFootnotes:
    TEXT = "# 1.1.0\n\na[^1] [x]\n\n# 1.0.0\n\nb[^2]\n\n[x]: https://e.x/x\n[y]: https://e.x/y\n[^1]: One [y], [^2].\n\n    more\n\n[^2]: Two\n"

    def test_they_come_along_from_elsewhere_in_the_file_with_what_they_use(self):
        changelog = Changelog(self.TEXT, "f")
        body = changelog.with_definitions(changelog.find("1.1.0"))
        assert body == (
            "a[^1] [x]\n\n[x]: https://e.x/x\n\n[^1]: One [y], [^2].\n\n    more\n\n[y]: https://e.x/y\n\n[^2]: Two"
        )

    def test_others_do_not(self):
        text = self.TEXT.replace("[^2]\n\n[x]", "\n\n[x]")
        changelog = Changelog(text + "\n# 0.9.0\n\nc\n", "f")
        assert changelog.with_definitions(changelog.find("0.9.0")) == "c"


@pytest.mark.parametrize("heading", ["What's new in {}", "Release notes {}", "Highlights of {}"])
@pytest.mark.parametrize("versions", [("2.4.0", "2.4.1", "2.4.2"), ("2.4.0", "2.3.2", "2.3.1")])
def test_levels_by_rank_hold_for_headings_of_one_wording(heading: str, versions: tuple[str, ...]) -> None:
    """Else the mail of 2.4.0 had the releases below it, too."""
    text = "\n\n".join(
        f"{'#' if version.endswith('.0') else '##'} {heading.format(version)}\n\n- One {version}."
        for version in versions
    )
    assert [changelog(text).find(version).body for version in versions] == [
        f"- One {one}." for one in versions
    ]
