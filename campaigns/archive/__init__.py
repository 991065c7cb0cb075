"""The public archive: what is published, its pages and feeds, and a copy of them as a folder.

`published` says which campaigns count, `addresses` where their pages are. `archive` makes the pages, `feeds` writes
Atom and JSON Feed. `export` lists the files of an archive for a team's own site, `folder` writes them. `checks` judges
the settings. Import the last three by name.
"""

from __future__ import annotations

from campaigns.archive.addresses import ATOM, IMAGES, PAGE, Addresses, FeedName, parse_feed_name
from campaigns.archive.archive import Archive
from campaigns.archive.feeds import ATOM_TYPE, JSON_TYPE, Document, Feed, write_atom, write_json_feed
from campaigns.archive.published import Published, PublishedCampaigns, last_change

__all__ = [
    "ATOM",
    "ATOM_TYPE",
    "IMAGES",
    "JSON_TYPE",
    "PAGE",
    "Addresses",
    "Archive",
    "Document",
    "Feed",
    "FeedName",
    "Published",
    "PublishedCampaigns",
    "last_change",
    "parse_feed_name",
    "write_atom",
    "write_json_feed",
]
