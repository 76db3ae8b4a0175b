"""The text of a PDF."""

from __future__ import annotations

import io

import pypdf
from pypdf.errors import DependencyError

from llm.data.files.text_file import TextFile, UnreadableFileError, tidy
from llm.runtime.text import count


def read_pdf(content: bytes, name: str) -> TextFile:
    """The text of all pages. Raises UnreadableFileError: it has a password, or its pages are pictures."""
    reader = pypdf.PdfReader(io.BytesIO(content))
    if reader.is_encrypted and not _opens_without_password(reader):
        raise UnreadableFileError(f"{name} is encrypted: save it without a password and try again")
    pages = [tidy(page.extract_text()) for page in reader.pages]
    with_text = [page for page in pages if page]
    if not with_text:
        raise UnreadableFileError(
            f"{name} has no text: its {count(len(pages), 'page')} are pictures. Run OCR on it first"
        )
    left_out = ["pictures and layout"]
    if len(with_text) < len(pages):
        left_out.append(f"{count(len(pages) - len(with_text), 'page')} of {len(pages):,} without text")
    return TextFile(name, f"PDF, {count(len(pages), 'page')}", ("\n".join(with_text),), tuple(left_out))


def _opens_without_password(reader: pypdf.PdfReader) -> bool:
    """Many files are encrypted only to forbid printing."""
    try:
        return bool(reader.decrypt(""))
    except DependencyError:  # AES needs another package
        return False
