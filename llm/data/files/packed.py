"""Documents that are zip files of XML: Word (docx) and e-books (epub)."""

from __future__ import annotations

import io
import posixpath
import re
import zipfile
from urllib.parse import unquote
from xml.parsers import expat

import mammoth

from llm.data.files.markup import parsed, visible_text
from llm.data.files.text_file import TextFile, UnreadableFileError, tidy
from llm.runtime.text import count
from llm.runtime.zip_files import UNREADABLE, growth, is_unusual

# a part of a Word document that the text does not contain, and what it is
NOT_TAKEN = {r"word/media/": "picture", r"word/header": "header", r"word/footer": "footer",
             r"word/(foot|end)notes\.xml": "file of notes", r"word/comments\.xml": "file of comments"}  # fmt: skip


def read_docx(content: bytes, name: str) -> TextFile:
    """The paragraphs of a Word document. Raises UnreadableFileError."""
    archive = _opened(content, name)
    if "word/document.xml" not in archive.namelist():
        raise UnreadableFileError(f"{name} is not a Word document: it has no word/document.xml in it")
    for entry in archive.namelist():  # a document's relations can make any of them a part of it
        _require_no_definitions(archive.read(entry), name, is_xml=entry.endswith((".xml", ".rels")))
    text = tidy(mammoth.extract_raw_text(io.BytesIO(content)).value)
    found = {words: sum(bool(re.match(start, entry)) for entry in archive.namelist()) for start, words in
             NOT_TAKEN.items()}  # fmt: skip
    left_out = tuple(count(number, words, words.replace("file", "files") if " of " in words else "")
                     for words, number in found.items() if number)  # fmt: skip
    return TextFile(name, "Word document", (text,), left_out)


def read_epub(content: bytes, name: str) -> TextFile:
    """The chapters of an e-book in their order. Raises UnreadableFileError."""
    archive = _opened(content, name)
    entries = set(archive.namelist())
    if "META-INF/container.xml" not in entries:
        raise UnreadableFileError(f"{name} is not an e-book: it has no META-INF/container.xml in it")
    root = parsed(archive.read("META-INF/container.xml")).find("rootfile")
    package = str(root.get("full-path", "")) if root else ""
    if package not in entries:
        raise UnreadableFileError(f"{name} is damaged: the list of its chapters is missing")
    tree = parsed(archive.read(package))
    files = {str(item.get("id")): str(item.get("href", "")) for item in tree(re.compile(r"(^|:)item$"))}
    order = [str(item.get("idref")) for item in tree(re.compile(r"(^|:)itemref$"))]
    folder = posixpath.dirname(package)
    chapters = [posixpath.normpath(posixpath.join(folder, unquote(files.get(item, "")))) for item in order]
    chapters = [chapter for chapter in dict.fromkeys(chapters) if chapter in entries]
    protected = archive.read("META-INF/encryption.xml").decode(errors="replace") if (
        "META-INF/encryption.xml" in entries) else ""  # fmt: skip
    if any(chapter in protected for chapter in chapters):
        raise UnreadableFileError(f"{name} is protected against copying: its text cannot be read")
    texts = [visible_text(parsed(archive.read(chapter))) for chapter in chapters]
    pictures = sum(entry.lower().endswith((".jpg", ".jpeg", ".png", ".gif", ".svg", ".webp")) for entry in entries)
    left_out = (count(pictures, "picture"),) if pictures else ()
    text = "\n\n".join(filter(None, texts))
    return TextFile(name, f"e-book, {count(len(chapters), 'chapter')}", (text,), left_out)


def _opened(content: bytes, name: str) -> zipfile.ZipFile:
    """A zip file that can be unpacked safely."""
    try:
        archive = zipfile.ZipFile(io.BytesIO(content))
        packed, unpacked, too_much = growth(archive, archive.infolist())
    except UNREADABLE as error:
        raise UnreadableFileError(f"{name} is damaged, or not what its name says ({error})") from None
    if any(map(is_unusual, archive.infolist())):
        raise UnreadableFileError(f"{name} is encrypted or packed in an unusual way: save it without a password")
    if too_much:
        raise UnreadableFileError(f"{name} is not read: its {packed:,} bytes would become {unpacked:,}")
    return archive


def _require_no_definitions(content: bytes, name: str, is_xml: bool) -> None:
    """Refuse XML with a document type: none belongs into this format, and entities defined there can grow for ever.

    What is no XML, such as a picture, has none.
    """

    def refuse(*_: object) -> None:
        raise UnreadableFileError(f"{name} is not read: its XML defines entities, which no Word document does")

    parser = expat.ParserCreate()
    parser.StartDoctypeDeclHandler = refuse
    try:
        parser.Parse(content, True)
    except expat.ExpatError as error:
        if not is_xml:
            return
        raise UnreadableFileError(f"{name} is damaged: its XML is not valid ({error})") from None
