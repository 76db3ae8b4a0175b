"""The text of a new run: uploads of many kinds, and what the form says of them."""

import hashlib
import http.server
import re
import threading
from dataclasses import replace
from functools import partial

import pytest
from app_pages import PROJECT, TEXT, open_page
from sample_files import CSV, FOX, HEN, page, pdf

from components.shared.uploads import store, store_several, texts
from llm.data import public_texts, train_tokenizer


def box(app, label):
    return next(box for box in app.selectbox if box.label == label)


def test_several_files_become_one_text(home):
    files = [("a.txt", TEXT.encode()), ("b.html", page(HEN).encode()), ("a.txt", FOX.encode())]
    folder = store_several(files)
    assert folder == store_several(files) and texts() == [folder]
    assert folder.name.startswith("a-") and " and 2 more files (" in folder.name
    assert sorted(path.read_bytes() for path in folder.iterdir()) == sorted(content for _, content in files)
    assert store_several(files[:1]) == home / "uploads" / "a.txt" and len(texts()) == 2


def test_a_file_without_text_is_refused_and_nothing_is_stored(home):
    with pytest.raises(ValueError, match=r"^scan\.pdf has no text: its 1 page"):
        store_several([("a.txt", TEXT.encode()), ("scan.pdf", pdf(""))])
    with pytest.raises(ValueError, match=r"^b\.txt is not UTF-8 text"):
        store("b.txt", b"\xff")
    assert texts() == []


def test_the_form_says_what_is_taken_of_each_file(home):
    folder = store_several([("a.csv", CSV.encode()), ("b.html", page(HEN).encode()), ("c.txt", TEXT.encode())])
    app = open_page("train", new="1")
    box(app, "Text").select_index(2).run()
    assert box(app, "Text").value == folder
    rows = app.dataframe[0].value.to_dict("records")
    assert [row["Read as"] for row in rows] == ["table (csv), column story", "web page", "text"]
    assert [row["Documents"] for row in rows] == [2, 1, 1]
    assert rows[1]["Left out"] == "1 script; 1 page title" and rows[1]["Begins"] == HEN
    box(app, "Held out by `split_by`").select("file").run()
    assert any("c.txt" not in caption.value and "for testing" in caption.value for caption in app.caption)
    box(app, "Held out by :orange-badge[changed] `split_by`").select("document").run()
    assert not app.exception and not app.error
    box(app, "Column with the text").select("label").run()
    assert app.dataframe[0].value["Read as"][0] == "table (csv), column label" and not app.exception


def test_one_file_cannot_be_split_by_files_and_the_form_says_so(home):
    app = open_page("train", new="1")
    box(app, "Held out by `split_by`").select("file").run()
    assert any("split_by=file needs at least 3 files" in text.value for text in app.text) and not app.exception


def test_a_book_is_downloaded_and_chosen_and_offline_is_said(home, monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(public_texts, "SOURCE", "http://127.0.0.1:1")
    app = open_page("train", new="1")
    download = next(button for button in app.button if button.key == "train-download")
    download.click().run()
    assert any("127.0.0.1 cannot be reached" in text.value for text in app.text) and not app.exception
    assert box(app, "Text").value == PROJECT / "training.txt"
    content = TEXT.encode()
    (home / "alice.txt").write_bytes(content)
    found = {"size": len(content), "sha256": hashlib.sha256(content).hexdigest(), "path": "alice.txt"}
    monkeypatch.setitem(public_texts.PUBLIC_TEXTS, "alice", replace(public_texts.PUBLIC_TEXTS["alice"], **found))
    handler = partial(http.server.SimpleHTTPRequestHandler, directory=home)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        monkeypatch.setattr(public_texts, "SOURCE", f"http://127.0.0.1:{server.server_port}")
        next(button for button in app.button if button.key == "train-download").click().run()
        server.shutdown()
    assert not app.exception and box(app, "Text").value == home / "texts" / "alice.txt"
    assert (home / "texts" / "alice.txt").read_text() == TEXT.strip() + "\n"


def test_the_form_says_how_many_tokens_a_small_text_gives(home):
    store("small.txt", TEXT.encode())
    app = open_page("train", new="1")
    said = "This text gives \\*\\*([0-9]+)\\*\\* tokens, not 2,048"
    assert not any(re.match(said, caption.value) for caption in app.caption)
    box(app, "Text").select_index(2).run()
    [found] = [found[1] for caption in app.caption if (found := re.match(said, caption.value))]
    assert int(found) == train_tokenizer("bpe", TEXT, 2048).d_vocab < 400
