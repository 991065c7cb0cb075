"""Draw docs/images/ledger-tree.svg, the picture in consent.md: `python docs/generate_tree.py`."""

from __future__ import annotations

from pathlib import Path

PICTURE = Path(__file__).resolve().parent / "images" / "ledger-tree.svg"

WIDTH, HEIGHT = 720, 400
BOX = 160, 46
# Boxes: middle, top, two lines of text, kind.
BOXES = {
    "checkpoint": (360, 16, "signed checkpoint", "size 4, root", "signed"),
    "root": (360, 106, "root", "of 12 and 34", "way"),
    "12": (190, 196, "node 12", "of 1 and 2", "way"),
    "34": (530, 196, "node 34", "of 3 and 4", "given"),
    "1": (105, 286, "entry 1", "its hash only", "given"),
    "2": (275, 286, "entry 2", "Jan agreed", "entry"),
    "3": (445, 286, "entry 3", "", "other"),
    "4": (615, 286, "entry 4", "", "other"),
}
EDGES = (
    ("checkpoint", "root"),
    ("root", "12"),
    ("root", "34"),
    ("12", "1"),
    ("12", "2"),
    ("34", "3"),
    ("34", "4"),
)
# Fill and line; dashes tell what is not in the proof apart without colour.
LOOKS = {
    "signed": ("#fff4d6", "#8a6100", ""),
    "way": ("#ffffff", "#333333", ""),
    "given": ("#dbeafe", "#1e4e8c", ""),
    "entry": ("#d9f2e0", "#17693a", ""),
    "other": ("#ffffff", "#767676", "5 4"),
}
LEGEND = (
    (24, "entry", "what the bundle proves"),
    (228, "given", "in the bundle"),
    (366, "way", "made again by the reader"),
    (574, "other", "not in the bundle"),
)


def picture() -> str:
    """The picture as SVG."""
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img"',
        '     aria-labelledby="t d" font-family="sans-serif" font-size="14">',
        '<title id="t">The way from one consent to the signed root</title>',
        '<desc id="d">A tree over four entries. Entry 2 with the hash of entry 1 gives node 12.',
        "With node 34 that gives the root, which the checkpoint signs.</desc>",
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>',
    ]
    for upper, lower in EDGES:
        (x1, y1, *_), (x2, y2, *_) = BOXES[upper], BOXES[lower]
        parts.append(f'<line x1="{x1}" y1="{y1 + BOX[1]}" x2="{x2}" y2="{y2}" stroke="#333333"/>')
    for x, y, first, second, kind in BOXES.values():
        parts.append(_box(x - BOX[0] // 2, y, BOX[0], BOX[1], kind))
        middle = y + (20 if second else 28)
        parts.append(f'<text x="{x}" y="{middle}" text-anchor="middle" font-weight="bold">{first}</text>')
        if second:
            parts.append(f'<text x="{x}" y="{y + 37}" text-anchor="middle">{second}</text>')
    for x, kind, meaning in LEGEND:
        parts.append(_box(x, 364, 18, 18, kind))
        parts.append(f'<text x="{x + 24}" y="378" font-size="13">{meaning}</text>')
    return "\n".join([*parts, "</svg>", ""])


def _box(x: int, y: int, width: int, height: int, kind: str) -> str:
    fill, line, dashes = LOOKS[kind]
    dashed = f' stroke-dasharray="{dashes}"' if dashes else ""
    return (
        f'<rect x="{x}" y="{y}" width="{width}" height="{height}" rx="6" fill="{fill}" stroke="{line}" '
        f'stroke-width="1.5"{dashed}/>'
    )


if __name__ == "__main__":
    PICTURE.write_text(picture(), encoding="utf-8")
