"""The text of a web page."""

from __future__ import annotations

import re
import warnings

import bs4

from llm.data.files.text_file import TextFile, tidy
from llm.runtime.text import count, decode_utf8

INVISIBLE = {"script": "script", "style": "style sheet", "template": "template", "noscript": "replacement for a script",
             "svg": "drawing", "nav": "menu", "head": "page title"}  # fmt: skip
PARAGRAPHS = ("p", "div", "h1", "h2", "h3", "h4", "h5", "h6", "ul", "ol", "table", "blockquote", "pre", "section",
              "article", "header", "footer", "aside", "main", "figure", "dl")  # fmt: skip
LINES = ("br", "li", "tr", "dt", "dd", "option")
CELLS = ("td", "th")


def parsed(content: bytes | str) -> bs4.BeautifulSoup:
    """The tree of an HTML or XML document. Python's own HTML parser expands no entities that a document defines."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # XHTML is read as HTML: that is meant
        return bs4.BeautifulSoup(content, "html.parser")


def read_html(content: bytes, name: str) -> TextFile:
    """What a reader of the page reads: no scripts, styles, comments or menus."""
    tree = parsed(decode_utf8(content, name))  # not what the library guesses, or the page says
    removed = {words: len(tree(tag)) for tag, words in INVISIBLE.items()}
    text = visible_text(tree)
    left_out = [count(number, words) for words, number in removed.items() if number]
    return TextFile(name, "web page", (text,), tuple(left_out))


def visible_text(tree: bs4.BeautifulSoup) -> str:
    """The text of a page, paragraphs and lines where its elements begin and end."""
    for element in tree(list(INVISIBLE)):
        element.extract()  # not `decompose`: one of them can be inside another
    for string in tree.find_all(string=True):
        if type(string) is not bs4.NavigableString:  # a comment, a declaration
            string.extract()
        elif string.find_parent("pre") is None:
            string.replace_with(re.sub(r"\s+", " ", string))
    for names, mark in (PARAGRAPHS, "\n\n"), (LINES, "\n"), (CELLS, "\t"):
        for element in tree(list(names)):
            element.insert_before(mark)
            if names is PARAGRAPHS:
                element.insert_after(mark)
    return tidy(tree.get_text())
