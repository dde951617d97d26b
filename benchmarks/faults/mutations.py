"""Damage to files."""

import re

WILD_CELLS = (
    *("", "-1", "nan", "inf", "1e308", "1e18", "9" * 40, "abc", '"', "\x00", "0" * 100_000),
    *("../../etc/passwd", "/dev/null", "x" * 300, "=1+1", "\N{SNOWMAN}", "a\nb", "1,2,3", " "),
)
WILD_SETTINGS = (
    *("", " ", "-1", "0", "85", "1.5", "nan", "inf", "-inf", "1e9", "9" * 30, "abc", "None"),
    *("Yes", "No", "Maybe", "[]", "{}", "\x00", "a|b|c", "x" * 10_000, "\N{SNOWMAN}", "%s", "../"),
)
HEAD = 1000
"""Number of bytes at the start of a file that contain most of its headers and metadata."""


def truncated(content, rng):
    """Return the first bytes of a file: none, few or many."""
    end = len(content) if rng.random() < 0.7 else min(HEAD, len(content))
    return content[: rng.integers(end)]


def flipped(content, rng):
    """Flip 1 to 32 bits of a file, every second time only in its first bytes."""
    end = len(content) if rng.random() < 0.5 else min(HEAD, len(content))
    changed = bytearray(content)
    for _ in range(rng.choice([1, 1, 2, 8, 32])):
        changed[rng.integers(end)] ^= 1 << int(rng.integers(8))
    return bytes(changed)


def damaged(content, rng):
    """Truncate a file or flip bits."""
    return truncated(content, rng) if rng.random() < 0.35 else flipped(content, rng)


def damaged_table(content, rng):
    """Damage a CSV file: bytes, cells or columns."""
    kind = rng.random()
    if kind < 0.4:
        return damaged(content, rng)
    rows = [line.split(",") for line in content.decode().splitlines()]
    row = rows[rng.integers(len(rows))]
    index = rng.integers(len(row))
    if kind < 0.85:
        row[index] = str(rng.choice(WILD_CELLS))
    elif kind < 0.93:
        for row in rows:
            del row[index % len(row)]
    else:
        row.append("more")
    text = "\r\n".join(map(",".join, rows)) + "\r\n"
    return text.encode(str(rng.choice(["utf-8", "utf-8", "utf-8-sig", "utf-16"])))


def damaged_settings(pipeline, module, rng):
    """Return the text of a pipeline with a setting of a module invalid, missing or duplicated."""
    section = re.search(rf"^{module}:\[.*\n(?:    .*\n)+", pipeline, re.MULTILINE)
    head, *settings = section[0].splitlines(keepends=True)
    index, kind = rng.integers(len(settings)), rng.random()
    if kind < 0.85:
        name = settings[index].rpartition(":")[0]
        settings[index] = f"{name}:{rng.choice(WILD_SETTINGS)}\n"
    elif kind < 0.93:
        del settings[index]
    else:
        settings.insert(index, settings[index])
    return pipeline.replace(section[0], head + "".join(settings))
