"""The name, note and tags of a run: kept as written, cleaned of what nobody sees, and harmless when damaged."""

import json

import pytest
from odd_folders import mutations
from run_folders import new_run

from llm.runs.folder import RunFolder
from llm.runs.listing import list_runs
from llm.runs.notes import MAX_NAME, MAX_TAGS, RunNotes


def test_what_is_written_is_read(tmp_path):
    folder = new_run(tmp_path)
    assert folder.notes() == RunNotes()
    written = RunNotes("Лиса 👩\u200d🚀", "first line\n  an indented one", ("good", "to show"))
    folder.write_notes(written)
    assert RunFolder(folder.path).notes() == written
    assert written.note == "first line\n  an indented one" and "\u200d" in written.name


def test_characters_that_nobody_sees_are_left_out():
    notes = RunNotes(" a\u202eb\x1b[31m\n", "one\r\ntwo\x00\u2066\n\n", (" x ", "x", "", "\u200b"))
    assert notes == RunNotes("a b [31m", "one\ntwo", ("x",))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"name": "n" * 81}, "name must have at most 80 characters, got 81"),
        ({"note": "n" * 4001}, "note must have at most 4,000 characters, got 4,001"),
        ({"tags": ("good", "t" * 31)}, "each tag must have at most 30 characters, got 31"),
        ({"tags": tuple(map(str, range(21)))}, "tags must be at most 20, got 21"),
    ],
)
def test_a_text_that_is_too_long_is_refused(fields, message):
    with pytest.raises(ValueError, match=message):
        RunNotes(**fields)


def test_damaged_notes_hide_no_run(tmp_path):
    folder = new_run(tmp_path)
    path = folder.path / "notes.json"
    intact = {"name": "mine", "note": "a note", "tags": ["good"]}
    long = {"name": "n" * 10**5, "note": "n" * 10**5, "tags": ["t" * 10**5, *map(str, range(10**4))]}
    for content in (b"", b"{", b"\xff", b"[]", b"[" * 10**5, json.dumps(long).encode(), *mutations(intact)):
        path.write_bytes(content)
        [run] = list_runs(tmp_path)
        assert run.problem is None
        assert len(run.notes.name) <= MAX_NAME and len(run.notes.tags) <= MAX_TAGS
