"""Training text from files of many kinds: what is taken, and what is refused."""

import re
import sys
import time
from functools import partial

import pytest
from sample_files import BAD, CSV, FOX, GOOD, HEN, docx, page, pdf

from llm.data.files import reading
from llm.data.files.process import read_in_process
from llm.data.files.reading import read_file, read_files
from llm.data.pieces import Piece
from llm.data.workers import answers


@pytest.fixture
def write(tmp_path):
    def written(name, content):
        (tmp_path / name).write_bytes(content)
        return tmp_path / name

    return written


@pytest.mark.parametrize("name", GOOD)
def test_the_text_of_every_kind_of_file_is_taken(write, name):
    content, documents = GOOD[name]
    found = read_file(write(name, content))
    assert found.documents == documents and found.name == name
    assert found.text == "\n\n".join(documents)


@pytest.mark.parametrize("name", BAD)
def test_what_cannot_be_read_is_refused_in_a_sentence(write, name):
    content, words = BAD[name]
    began = time.monotonic()
    with pytest.raises(ValueError, match=re.escape(words)) as raised:
        read_file(write(name, content))
    sentence = str(raised.value)
    assert name in sentence and len(sentence) < 400 and "\n" not in sentence
    assert time.monotonic() - began < 10


def test_what_is_left_out_is_said(write):
    assert read_file(write("web.html", page(HEN).encode())).left_out == ("1 script", "1 page title")
    assert read_file(write("a.pdf", pdf(HEN, "", FOX))).left_out == ("pictures and layout", "1 page of 3 without text")
    more = {"word__media__a_dot_png": b"", "word__footnotes_dot_xml": "<x/>"}
    assert read_file(write("a.docx", docx(HEN, **more))).left_out == ("1 picture", "1 file of notes")
    table = read_file(write("a.csv", CSV.encode()))
    assert table.left_out == ("other columns: id, label", "1 row without text in this column")


def test_the_column_of_a_table_can_be_chosen(write):
    path = write("a.csv", CSV.encode())
    assert read_file(path).column == "story"
    assert read_file(path, "label").documents == ("fox", "hen", "fox")
    with pytest.raises(ValueError, match="no text in a column 'title': it has id, label, story"):
        read_file(path, "title")
    usual = write("b.csv", b"Text,long\nhen,a much longer cell\n")
    assert read_file(usual).column == "Text"
    with pytest.raises(ValueError, match="column must be left out unless a file is a table"):
        read_files([write("a.txt", HEN.encode())], "text")


def test_a_paragraph_of_a_web_page_is_one_however_its_source_is_laid_out(write):
    source = "<div>The <b>hen</b>\n   sat<br>on   the gate.<ul><li>one<li>two</ul><pre>a\n  b</pre></div>"
    text = read_file(write("a.html", source.encode())).text
    assert text == "The hen sat\non the gate.\n\none\ntwo\n\na\n  b"


def test_a_file_that_is_too_large_is_not_read(write, monkeypatch):
    monkeypatch.setattr(reading, "MAX_BYTES", 1000)
    with pytest.raises(ValueError, match=r"has 1,001 bytes: of .pdf files at most 1,000 are read"):
        read_file(write("a.pdf", b" " * 1001))
    paths = [write(f"{number}.txt", HEN.encode() * 20) for number in range(3)]
    with pytest.raises(ValueError, match="3 files have 1,440 bytes in all"):
        read_files(paths)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such bounds")
def test_what_takes_too_much_is_ended(write, monkeypatch):
    """Nested elements without end take the parser of web pages long; many of them, or of small lists, much memory."""
    path = write("a.html", b"<p>hen" * 200_000)
    with pytest.raises(ValueError, match=r"a.html needs too much memory|is damaged and cannot be read"):
        read_in_process(path, memory=100_000_000)
    with pytest.raises(ValueError, match=r"a.html takes longer than 1 s to read"):
        read_in_process(path, seconds=1)
    monkeypatch.setattr(reading, "read_in_process", partial(read_in_process, memory=150_000_000))
    with pytest.raises(ValueError, match=r"a.json needs too much memory"):
        read_file(write("a.json", b"[" + b"[]," * 2_000_000 + b"[]]"))


def test_no_file_of_the_current_folder_is_imported(write, tmp_path, monkeypatch):
    """Somebody who looks through a folder of downloads can have files there that are named like a library."""
    page_there = write("a.html", page(HEN).encode())
    for library in ("bs4", "regex", "json"):
        write(f"{library}.py", b"open('imported', 'w')\nraise ImportError")
    monkeypatch.chdir(tmp_path)
    assert read_file(page_there).documents == (HEN,)
    piece = Piece(str(page_there), 0, page_there.stat().st_size)
    assert [answer.about["characters"] for answer in answers([{"piece": piece}])] == [len(page(HEN))]
    assert not (tmp_path / "imported").exists()
