"""Markdown as the documentation test reads it: headings, fenced blocks, code spans, links."""

import re
from dataclasses import dataclass, field

FENCE = re.compile(r"^```(.*)$")
HEADING = re.compile(r"^#{1,6} +(.*?) *$")
SPAN = re.compile(r"`([^`]+)`")
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")


@dataclass
class Block:
    line: int  # of its first line of content
    language: str
    name: str  # what stands behind the language
    text: str
    section: str


@dataclass
class Page:
    name: str
    text: str
    blocks: list = field(default_factory=list)
    spans: list = field(default_factory=list)  # (line, text, section)
    links: list = field(default_factory=list)  # (line, target)
    anchors: set = field(default_factory=set)


def anchor_of(heading):
    """As GitHub makes it."""
    return re.sub(r"[^\w\- ]", "", heading.lower().replace("`", "")).replace(" ", "-")


def parse(name, text):
    page = Page(name, text)
    section, block, begun = "", None, 0
    for number, line in enumerate(text.splitlines(), 1):
        fence = FENCE.match(line)
        if block is not None:
            if fence:
                page.blocks.append(Block(begun + 1, *begun_as, "\n".join(block) + "\n", section))
                block = None
            else:
                block.append(line)
            continue
        if fence:
            words = fence.group(1).split()
            begun, begun_as, block = number, (words[0] if words else "", words[1] if len(words) > 1 else ""), []
            continue
        heading = HEADING.match(line)
        if heading:
            section = heading.group(1)
            page.anchors.add(anchor_of(section))
        page.spans += [(number, span, section) for span in SPAN.findall(line)]
        page.links += [(number, target) for target in LINK.findall(SPAN.sub("", line))]
    if block is not None:
        raise ValueError(f"{name}:{begun}: a fenced block without its end")
    return page
