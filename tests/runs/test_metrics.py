import json
import math
import shutil

from hypothesis import example, given
from hypothesis import strategies as st
from run_folders import MODEL, new_run, row, same_folder

from llm import Transformer
from llm.runs.folder import RunFolder
from llm.runs.listing import list_runs
from llm.runs.loading import load_run
from llm.runs.metrics import parse_rows, read_metrics, truncate_metrics

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=5)


@same_folder
@given(
    st.lists(st.tuples(st.floats(allow_nan=False), texts), max_size=8),
    st.lists(st.tuples(st.integers(1, 60), st.booleans()), max_size=30),
)
@example([(1.5, "\u2028\r\n\x85"), (math.inf, "狐\n")], [(1, True)] * 30)
def test_metrics_read_as_they_are_written_are_those_read_at_once(tmp_path, values, pieces):
    rows = [row(step, loss, sample=sample) for step, (loss, sample) in enumerate(values)]
    path = tmp_path / "20260131120000"
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir()
    (path / "config.json").write_text("{}")
    folder = RunFolder(path)
    for line in rows:
        folder.append_metrics(line)
    whole = (path / "metrics.jsonl").read_bytes() if rows else b""
    (path / "metrics.jsonl").write_bytes(b"")
    read, offset, written = [], 0, 0
    for length, look in [*pieces, (len(whole), True)]:
        with (path / "metrics.jsonl").open("ab") as file:
            file.write(whole[written : written + length])
        written = min(written + length, len(whole))
        if look:
            chunk = folder.read_metrics(offset)
            assert not chunk.reset
            read += chunk.rows
            offset = chunk.next_offset
            assert offset == whole.rfind(b"\n", 0, written) + 1  # a line that is not whole waits
    assert read == rows == folder.read_metrics().rows


@same_folder
@given(st.lists(st.integers(0, 10**9), min_size=1, max_size=10), st.integers(0, 9), st.integers(0, 10), st.data())
def test_a_reader_of_metrics_that_were_cut_starts_again(tmp_path, losses, kept, new, data):
    path = tmp_path / "20260131120000"
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir()
    (path / "config.json").write_text("{}")
    folder = RunFolder(path)
    for step, loss in enumerate(losses):
        folder.append_metrics(row(step, loss))
    offset = folder.read_metrics().next_offset
    folder.truncate_metrics(kept - 1)
    for step in range(kept, kept + new):
        folder.append_metrics(row(step, 0.5, seconds=data.draw(st.integers(0, 10**9))))
    content = (path / "metrics.jsonl").read_bytes()
    chunk = folder.read_metrics(offset)
    assert chunk.reset == (content[offset - 1 : offset] != b"\n")  # also where the file ends before
    assert chunk.rows == folder.read_metrics(0 if chunk.reset else offset).rows
    assert chunk.next_offset == len(content)


def test_metrics_cut_and_grown_beyond_the_reader_are_read_again(tmp_path):
    folder = new_run(tmp_path)
    for step in range(5):
        folder.append_metrics(row(step))
    offset = folder.read_metrics().next_offset
    folder.truncate_metrics(2)
    for step in range(3, 9):
        folder.append_metrics(row(step, 1.25))  # other lengths of lines, as times have
    chunk = folder.read_metrics(offset)
    assert chunk.reset
    assert [line["step"] for line in chunk.rows] == list(range(9))


def test_metrics_that_are_not_there_are_none(tmp_path):
    folder = new_run(tmp_path)
    assert folder.read_metrics() == ([], 0, False)
    (folder.path / "metrics.jsonl").unlink()
    assert folder.read_metrics() == ([], 0, False)
    assert folder.read_metrics(10) == ([], 0, True)


def test_lines_that_are_not_metrics_are_skipped(tmp_path):
    folder = new_run(tmp_path)
    folder.append_metrics(row(1))
    with (folder.path / "metrics.jsonl").open("ab") as file:
        file.write(b'{"step": 2, "lo\n[3]\n{"loss": 1}\n{"step": "4"}\n{"step": null}\n\xff\n\n' + b"[" * 10**5 + b"\n")
    folder.append_metrics(row(5))
    assert folder.read_metrics().rows == [row(1), row(5)]
    assert list_runs(tmp_path)[0].loss == 1.5
    folder.save_model("final", Transformer(MODEL), 5)
    assert load_run(folder.path).metrics == [row(1), row(5)]


def test_truncated_metrics_end_at_the_step_and_can_be_continued(tmp_path):
    folder = new_run(tmp_path)
    for step in range(6):
        folder.append_metrics(row(step, sample="狐\r\n"))
    with (folder.path / "metrics.jsonl").open("ab") as file:
        file.write(b'{"step": 6, "loss"')  # killed in the middle of a line
    before = (folder.path / "metrics.jsonl").read_bytes()
    folder.truncate_metrics(3)
    assert before.startswith((folder.path / "metrics.jsonl").read_bytes())
    folder.append_metrics(row(4))
    assert [line["step"] for line in folder.read_metrics().rows] == [0, 1, 2, 3, 4]
    folder.truncate_metrics(-1)
    assert (folder.path / "metrics.jsonl").read_bytes() == b""


def test_nan_in_a_row_is_read_as_no_value(tmp_path):
    folder = new_run(tmp_path)
    (folder.path / "metrics.jsonl").write_text(
        '{"step": 1, "loss": 2.5, "evaluation": {"loss": 2.0}}\n{"step": 2, "loss": NaN, "evaluation": {"loss": NaN}}\n'
    )
    rows = folder.read_metrics().rows
    assert [(row["loss"], row["evaluation"]) for row in rows] == [(2.5, {"loss": 2.0}), (None, None)]
    assert folder.last_measures().evaluation == {"loss": 2.0}


def test_a_row_whose_step_no_float_holds_is_skipped(tmp_path):
    path = tmp_path / "metrics.jsonl"
    path.write_text(json.dumps({"step": 10**400}) + "\n" + json.dumps({"step": 1}) + "\n")
    assert [row["step"] for row in read_metrics(path).rows] == [1]
    truncate_metrics(path, 5)
    assert len(parse_rows(path.read_bytes())) == 1
