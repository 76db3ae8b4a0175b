"""What other programs read of a run is what its metrics.jsonl has."""

import json
import struct
import sys

import pytest
from run_folders import new_run, row

from llm.cli import log
from llm.runs import trackers
from llm.runs.trackers import TRACKERS, follow, require_package

ROWS = [row(step, 3 - step / 8, grad_norms={"embed": step / 4}, sample=f"a *red*\nfox {step}") for step in (1, 2, 3)]


@pytest.fixture
def run(tmp_path):
    folder = new_run(tmp_path)
    for one in ROWS:
        folder.append_metrics(one)
    return folder


def from_tensorboard(folder):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder)).Reload()
    found = {name: [(event.step, event.value) for event in events.Scalars(name)] for name in events.Tags()["scalars"]}
    texts = [event.tensor_proto.string_val[0].decode() for event in events.Tensors("sample/text_summary")]
    return found, texts


def records(content):
    """The records of wandb's file, a log of LevelDB: blocks of 32 KiB of pieces (checksum, length, kind)."""
    position, record = 7, b""  # after its header
    while position + 7 <= len(content):
        if 32768 - position % 32768 < 7:  # no room for another piece in this block
            position += 32768 - position % 32768
        length, kind = struct.unpack_from("<HB", content, position + 4)
        record += content[position + 7 : position + 7 + length]
        position += 7 + length
        if kind in (1, 4):  # whole, or the last piece
            yield record
            record = b""


def from_wandb(folder):
    """The rows of the newest offline run."""
    from wandb.proto import wandb_internal_pb2

    rows = []
    for data in records(max(folder.glob("wandb/offline-run-*/*.wandb")).read_bytes()):
        record = wandb_internal_pb2.Record()
        record.ParseFromString(data)
        if record.WhichOneof("record_type") == "history":
            items = record.history.item
            rows.append({item.key or "/".join(item.nested_key): json.loads(item.value_json) for item in items})
    return rows


def test_tensorboard_reads_what_was_measured_and_not_twice(run, tmp_path):
    for _ in range(2):
        assert list(follow(run, tmp_path / "logs", "tensorboard")) == [3]
    found, texts = from_tensorboard(tmp_path / "logs" / run.id)
    assert found == {
        "loss": [(1, 2.875), (2, 2.75), (3, 2.625)],
        "evaluation/loss": [(1, 2.875), (2, 2.75), (3, 2.625)],
        "grad_norms/embed": [(1, 0.25), (2, 0.5), (3, 0.75)],
    }
    assert texts[0] == "    a *red*\n    fox 1"


def test_a_follower_waits_for_a_run_that_trains_and_begins_again_when_it_is_resumed(run, tmp_path, monkeypatch):
    monkeypatch.setattr(trackers, "SECONDS", 0)
    run.lock()
    run.write_status("running", "", 3)
    following = follow(run, tmp_path / "logs", "tensorboard", wait=True)
    assert [next(following), next(following)] == [3, 3]
    run.truncate_metrics(1)
    run.append_metrics(row(2, 1.0))
    assert next(following) == 2
    run.append_metrics(row(3, 0.5))
    run.write_status("finished", "", 3)
    run.unlock()
    assert list(following) == [3]
    assert from_tensorboard(tmp_path / "logs" / run.id)[0]["loss"] == [(1, 2.875), (2, 1.0), (3, 0.5)]


def test_wandb_writes_an_offline_run(run, tmp_path):
    import wandb

    assert list(follow(run, tmp_path, "wandb")) == [3]
    wandb.teardown()  # as at the end of the process: all is on the disk
    rows = from_wandb(tmp_path)
    assert [(one["_step"], one["loss"], one["grad_norms/embed"], one["sample"]) for one in rows] == [
        (one["step"], one["loss"], one["grad_norms"]["embed"], one["sample"]) for one in ROWS
    ]


def test_a_missing_package_is_named_with_the_command_that_installs_it(monkeypatch):
    assert tuple(TRACKERS) == log.NAMES
    monkeypatch.setitem(sys.modules, "wandb", None)
    with pytest.raises(ValueError, match="wandb is not installed: `uv sync --extra wandb` installs it"):
        require_package("wandb")
