"""The words that people read, in the language that HL_LANG names: `words.json` has the pages' and the panel's."""

import json
import os
import re
from functools import cache, lru_cache
from pathlib import Path

from .errors import known

CATALOGUE = Path(__file__).with_name("words.json")
"""{"page": {id: {language: text}}, "panel" and "scripts": {English: {language: text}}}; {name} is what varies."""
LANGUAGES = ("en", "ja")
VARIES = re.compile(r"\\{(\w+)\\}")  # {name}, escaped


def language() -> str:
    """What HL_LANG says, of LANGUAGES; "en" where it is not set."""
    return str(known("HL_LANG", os.environ.get("HL_LANG", "en"), LANGUAGES))


def tr(text: str) -> str:
    """An English text in the language of HL_LANG, and so what varies in it; itself where the catalogue has no words."""
    spoken = language()
    return text if spoken == "en" else _told(text, spoken)


def of_scripts() -> dict[str, str]:
    """{English: text} of what the scripts of the panel say by themselves; {} in English."""
    spoken = language()
    return {text: told[spoken] for text, told in catalogue()["scripts"].items() if spoken in told}


@cache
def catalogue() -> dict[str, dict[str, dict[str, str]]]:
    """All of it."""
    found: dict[str, dict[str, dict[str, str]]] = json.loads(CATALOGUE.read_text(encoding="utf-8"))
    return found


@cache
def _phrases(spoken: str) -> tuple[dict[str, str], list[tuple[re.Pattern[str], str]]]:
    """The texts as they are, and those in which something varies, the longest first; a panel's word before a page's."""
    pages = {told["en"]: told[spoken] for told in catalogue()["page"].values()}
    whole = pages | {text: told[spoken] for text, told in catalogue()["panel"].items()}
    varied = sorted((text for text in whole if "{" in text), key=len, reverse=True)
    return whole, [(re.compile(VARIES.sub(r"(?P<\1>.+?)", re.escape(text)), re.S), whole[text]) for text in varied]


@lru_cache(4096)
def _told(text: str, spoken: str) -> str:
    whole, varied = _phrases(spoken)
    if text in whole:
        return whole[text]
    for pattern, told in varied:
        if found := pattern.fullmatch(text):
            return told.format(**{name: _told(part, spoken) for name, part in found.groupdict().items()})
    return text
