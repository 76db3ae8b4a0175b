"""Files of many kinds with the same two sentences, and others that are not what their names say."""

import io
import json
import struct
import zipfile

HEN, FOX = "The hen sat on the gate.", "The fox waited under it."
W = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
RELATIONS = "application/vnd.openxmlformats-officedocument"
DOCX_TYPES = (
    '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
    f'<Override PartName="/word/document.xml" ContentType="{RELATIONS}.wordprocessingml.document.main+xml"/></Types>'
)
DOCX_RELATIONS = (
    '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="r1" '
    'Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument" '
    'Target="word/document.xml"/></Relationships>'
)
CONTAINER = (
    '<container xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><rootfiles>'
    '<rootfile full-path="OEBPS/book.opf" media-type="application/oebps-package+xml"/></rootfiles></container>'
)
PACKAGE = (
    '<package><manifest><item id="b" href="fox.xhtml"/><item id="a" href="the%20hen.xhtml"/></manifest>'
    '<spine><itemref idref="a"/><itemref idref="b"/></spine></package>'
)
BOMB = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10 if n else "lol"}">' for n in range(10))


def zipped(**entries: str | bytes) -> bytes:
    """A zip file; a name's __ is a slash and its _dot_ a dot."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries.items():
            archive.writestr(name.replace("__", "/").replace("_dot_", "."), content)
    return file.getvalue()


def docx(*paragraphs: str, prologue: str = "", **more: str | bytes) -> bytes:
    body = "".join(f"<w:p><w:r><w:t>{text}</w:t></w:r></w:p>" for text in paragraphs)
    return zipped(
        **{"[Content_Types]_dot_xml": DOCX_TYPES, "_rels__dot_rels".replace("s__", "s/"): DOCX_RELATIONS},
        word__document_dot_xml=f'<?xml version="1.0"?>{prologue}<w:document {W}><w:body>{body}</w:body></w:document>',
        **more,
    )


def epub(**more: str | bytes) -> bytes:
    chapters = {"OEBPS__the hen_dot_xhtml": page(HEN), "OEBPS__fox_dot_xhtml": page(FOX)}
    return zipped(**{"META-INF__container_dot_xml": CONTAINER, "OEBPS__book_dot_opf": PACKAGE} | chapters | more)


def page(*paragraphs: str) -> str:
    body = "".join(f"<p>{text}</p>" for text in paragraphs)
    return f"<html><head><title>T</title><script>evil()</script></head><body><!-- no -->{body}</body></html>"


def pdf(*pages: str, encrypt: str = "") -> bytes:
    """A PDF, a line of text on each page."""
    count = len(pages)
    kids = " ".join(f"{4 + 2 * number} 0 R" for number in range(count))
    objects = [
        "<</Type/Catalog/Pages 2 0 R>>",
        f"<</Type/Pages/Kids[{kids}]/Count {count}>>",
        "<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
    ]
    for number, text in enumerate(pages):
        stream = f"BT /F1 12 Tf 72 720 Td ({text}) Tj ET" if text else ""
        resources = f"<</Type/Page/Parent 2 0 R/Contents {5 + 2 * number} 0 R/MediaBox[0 0 612 792]"
        objects += [f"{resources}/Resources<</Font<</F1 3 0 R>>>>>>",
                    f"<</Length {len(stream)}>>stream\n{stream}\nendstream"]  # fmt: skip
    content, offsets = b"%PDF-1.4\n", []
    for number, text in enumerate(objects, 1):
        offsets.append(len(content))
        content += f"{number} 0 obj\n{text}\nendobj\n".encode()
    table = "".join(f"{offset:010} 00000 n \n" for offset in offsets)
    start = len(content)
    content += f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n{table}".encode()
    content += f"trailer<</Size {len(objects) + 1}/Root 1 0 R>>\nstartxref\n{start}\n%%EOF".encode()
    return _encrypted(content, encrypt) if encrypt else content


def _encrypted(content: bytes, password: str) -> bytes:
    from pypdf import PdfReader, PdfWriter

    writer, file = PdfWriter(clone_from=PdfReader(io.BytesIO(content))), io.BytesIO()
    user, owner = ("", "owner") if password == "none" else (password, password)
    writer.encrypt(user, owner, algorithm="RC4-128")
    writer.write(file)
    return file.getvalue()


ROWS = [{"id": number, "label": "hen" if number % 2 else "fox", "story": text} for number, text in
        enumerate([HEN, FOX, ""])]  # fmt: skip
CSV = "id;label;story\n" + "".join(f'{row["id"]};{row["label"]};"{row["story"]}"\n' for row in ROWS)
GOOD: dict[str, tuple[bytes, tuple[str, ...]]] = {
    "as is.txt": (f"{HEN}\n{FOX}\n".encode(), (f"{HEN}\n{FOX}\n",)),
    "code.py": (b"def hen():\r\n    pass\n", ("def hen():\n    pass\n",)),
    "notes.md": (f"# Hens\n\n{HEN}".encode(), (f"# Hens\n\n{HEN}",)),
    "web.html": (page(HEN, FOX).encode(), (f"{HEN}\n\n{FOX}",)),
    "table.csv": (CSV.encode(), (HEN, FOX)),
    "zero bytes.html": (b"<p>The\0 hen</p>", ("The\0 hen",)),
    "wide.csv": (b"," * 300_000 + b"\nhen" * 300, ("hen",) * 300),
    "table.tsv": (CSV.replace(";", "\t").encode(), (HEN, FOX)),
    "rows.json": (json.dumps({"version": 1, "data": ROWS}).encode(), (HEN, FOX)),
    "half a pair.json": (json.dumps([HEN, "\ud800"]).encode(), (HEN, "?")),
    "texts.json": (json.dumps([HEN, FOX]).encode(), (HEN, FOX)),
    "rows.jsonl": ("\n".join(map(json.dumps, ROWS)).encode(), (HEN, FOX)),
    "paper.pdf": (pdf(HEN, "", FOX), (f"{HEN}\n{FOX}",)),
    "forbids printing.pdf": (pdf(HEN, encrypt="none"), (HEN,)),
    "letter.docx": (docx(HEN, FOX, word__media__hen_dot_png=b"png"), (f"{HEN}\n\n{FOX}",)),
    "book.epub": (epub(), (f"{HEN}\n\n{FOX}",)),
}


def declared(content: bytes, size: int) -> bytes:
    """A zip file whose list of entries says that its first one has this many bytes unpacked."""
    at = content.index(b"PK\x01\x02") + 24
    return content[:at] + struct.pack("<I", size) + content[at + 4 :]


# a file's name and content, and words of the sentence with which it is refused
BAD: dict[str, tuple[bytes, str]] = {
    "bomb.docx": (declared(docx(HEN), 4_000_000_000), "would become"),
    "bomb.epub": (declared(epub(), 4_000_000_000), "would become"),
    "grows.epub": (declared(epub(), 10), "is damaged"),
    "laughs.docx": (docx(HEN, "&e9;", prologue=f"<!DOCTYPE d [{BOMB}]>"), "its XML defines entities"),
    "hidden laughs.docx": (docx(HEN, word__d_dot_bin=f"<!DOCTYPE d [{BOMB}]><d>&e9;</d>"), "its XML defines entities"),
    "wide laughs.docx": (
        zipped(
            word__document_dot_xml=f'<?xml version="1.0" encoding="utf-16"?><!DOCTYPE d [{BOMB}]><d>&e9;</d>'.encode(
                "utf-16"
            )
        ),
        "its XML defines entities",
    ),
    "marked.html": (b"<![if hen]><![unknown[x]]><!foo[bar>]><p>hen</p>", "is damaged and cannot be read (Parser"),
    "secret.pdf": (pdf(HEN, encrypt="secret"), "is encrypted: save it without a password"),
    "scan.pdf": (pdf("", ""), "its 2 pages are pictures"),
    "cut off.pdf": (pdf(HEN)[:300], "is damaged"),
    "text.pdf": (HEN.encode() * 9, "is not a pdf file by its content"),
    "text.docx": (HEN.encode() * 9, "is not a docx file by its content"),
    "no book.epub": (zipped(hen_dot_txt=HEN), "is not an e-book"),
    "no letter.docx": (epub(), "is not a Word document"),
    "cut off.epub": (epub()[:200], "is damaged, or not what its name says"),
    "protected.epub": (epub(**{"META-INF__encryption_dot_xml": '<x URI="OEBPS/fox.xhtml"/>'}), "is protected"),
    "paper.txt": (pdf(HEN), "is a PDF file: give it a name that ends in .pdf"),
    "sheet.xlsx": (zipped(xl=HEN), "is a zip file"),
    "rich.txt": (b"{\\rtf1 hen}", "is a rich text file"),
    "picture.md": (b"\xff\xd8\xff\xe0" * 99, "is not UTF-8 text"),
    "latin.html": ("<p>Hähne</p>".encode("latin-1"), "is not UTF-8 text"),
    "empty.html": (b"<html><script>x</script></html>", "is empty"),
    "deep.json": (b"[" * 100_000, "is not valid json: it is nested too deeply"),
    "broken.jsonl": (b'{"text": "hen"}\n{"text"\n', "is not valid jsonl: line 2"),
    "number.json": (b"[1, 2]", "holds neither texts nor rows with named columns"),
    "no text.json": (b'[{"id": 1}]', "has no column with text"),
    "quote.csv": (b'a,text\n1,"hen" x\n', "is not valid csv"),
    "nothing.txt": (b" \n", "is empty"),
}
