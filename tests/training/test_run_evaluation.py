import dataclasses
import json
import re
from pathlib import Path

import pytest
from random_runs import trained_run

from llm.checkpoints import RunFolder, load_run
from llm.cli import main
from llm.config import TrainingConfig
from llm.data import TextData, split_text
from llm.data.passages import Passages
from llm.presets import preset
from llm.runtime.text import with_error
from llm.training.baselines import measure_baselines
from llm.training.evaluation import evaluate
from llm.training.run_evaluation import evaluate_run
from llm.training.setup import start_run
from llm.world import SKILLS, generate

TEXT = generate(seed=1, size=40_000)
OTHER = "The fox sat by the gate and waited for the hen. Nobody came.\n" * 3


@pytest.fixture(scope="module")
def path(tmp_path_factory) -> Path:
    """A finished run of one step on the story world's text."""
    return trained_run(tmp_path_factory.mktemp("runs"), TEXT, batch_size=2)


@pytest.mark.parametrize("part", ["validation", "test", "train"])
def test_a_part_is_measured_as_a_whole_with_its_baselines(path, part):
    run = load_run(path)
    found = evaluate_run(run, part, skill_pairs=0)
    text = getattr(split_text(TEXT), part)
    passages = Passages.from_text(text, run.tokenizer)
    assert found.evaluation.loss == pytest.approx(evaluate(run.model, passages).loss, rel=0.01)  # other precision
    assert len(text) - 40 < found.evaluation.characters < len(text)
    train = TextData.from_text(TEXT, run.tokenizer, 32).train
    every = passages.evenly_spaced(len(passages))
    assert [found.baselines] == measure_baselines(train, passages, [every], run.tokenizer.d_vocab)
    assert (found.run, found.step, found.skills) == (path.name, 1, {})
    assert found.sentences_seen_in_training == 1 if part == "train" else 0 < found.sentences_seen_in_training < 1


def test_the_validation_part_measures_as_at_the_end_of_training(path):
    recorded = RunFolder(path).read_metrics().rows[-1]["final_evaluation"]
    assert dataclasses.asdict(evaluate_run(load_run(path), skill_pairs=0).evaluation) == recorded


def test_any_text_can_be_measured_and_skills_on_the_worlds_text_alone(path):
    run = load_run(path)
    assert evaluate_run(run, text=OTHER, skill_pairs=1).skills == {}
    found = evaluate_run(run, text=generate(seed=2, size=3000), skill_pairs=1)
    assert set(found.skills) == set(SKILLS)
    assert {score.pairs for score in found.skills.values()} == {1}


def test_bits_per_byte_count_the_bytes_of_the_text(path):
    run, text = load_run(path), "a fox\nDer Fuchs läuft übers Feld, 狐狸 über 狐狸.\n" * 40
    found = evaluate_run(run, text=text, skill_pairs=0)
    measured = text[1:]  # without its first word, "a"
    assert found.evaluation.characters == len(measured) < len(measured.encode())
    bits = found.evaluation.bits_per_character * len(measured)
    assert found.bits_per_byte == pytest.approx(bits / len(measured.encode()), rel=1e-12)
    run.tokenizer.add_end_of_text()
    documents = Passages.from_documents(["a fox", "two ö"], run.tokenizer)
    assert documents.byte_count(run.tokenizer) == len(" foxtwo ö".encode())


def test_the_runs_own_model_stays_as_it_is(path):
    run = load_run(path)
    before = dict(vars(run.model.blocks[0].attention))
    evaluate_run(run, skill_pairs=0)
    assert vars(run.model.blocks[0].attention) == before
    assert not run.model.training


def test_the_command_prints_what_was_measured(path, capsys):
    assert main(["evaluate", str(path), "--part", "test", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["part"], found["run"], found["step"]) == ("test", path.name, 1)
    measured, baselines = found["evaluation"], found["baselines"]
    assert found["skills"].keys() == set(SKILLS)

    assert main(["evaluate", "--run", str(path), "--part", "test"]) == 0
    shown = capsys.readouterr().out
    assert f"Run {path.name}, step 1, on all of its test part: {measured['characters']:,} characters" in shown
    assert f"loss                {with_error(measured['loss'], measured['standard_error'])} nats per token\n" in shown
    assert f"bits per byte       {found['bits_per_byte']:.3f}\n  Each token from at most 31 before it" in shown
    assert f"trigram             {with_error(baselines['trigram'], baselines['trigram_standard_error'])}\n" in shown
    assert len(re.findall(r"\n  [\w ,]+ \d+% \(\d+–\d+\) of 50 pairs", shown)) == len(SKILLS)


def test_the_command_measures_a_file_at_a_step(path, tmp_path, capsys):
    (tmp_path / "other.txt").write_text(OTHER)
    assert main(["evaluate", str(path), "--step", "0", "--text", str(tmp_path / "other.txt")]) == 0
    shown = capsys.readouterr().out
    assert re.search(rf"step 0, on all of \S+other.txt: {len(OTHER) - 3} characters", shown)
    assert "0% occur word for word" in shown and "Skills" not in shown


@pytest.mark.parametrize(
    ("words", "text", "sentence"),
    [
        (["--text", "TEXT"], "x", "the text is too short"),
        (["--text", "TEXT", "--part", "test"], OTHER, "--text cannot be combined with --part"),
        (["--text", "TEXT.txt"], OTHER, "There is no file"),
        (["--part", "last"], OTHER, "--part"),
        (["--step", "7"], OTHER, "has no weights of step 7"),
    ],
)
def test_what_cannot_be_measured_is_said_in_a_sentence(path, tmp_path, capsys, words, text, sentence):
    (tmp_path / "text").write_text(text)
    words = [word.replace("TEXT", str(tmp_path / "text")) for word in words]
    assert main(["evaluate", str(path), *words]) == 2
    error = capsys.readouterr().err
    assert sentence in error and error.count("\n") == 1


def test_a_character_that_the_tokenizer_does_not_know_is_named(tmp_path, capsys):
    training = TrainingConfig(steps=1, batch_size=2, sample_tokens=0, skill_pairs=0, device="cpu")
    model = preset("gpt", d_vocab=1, d_model=8, n_layers=1, n_heads=1, n_ctx=8)
    trainer = start_run(model, training, "char", OTHER * 2, "foxes", tmp_path)
    assert list(trainer)
    (tmp_path / "other.txt").write_text("Жили-были a fox and a hen.")
    assert main(["evaluate", str(trainer.folder.path), "--text", str(tmp_path / "other.txt")]) == 2
    assert "The char tokenizer does not know" in capsys.readouterr().err


def test_a_run_from_before_the_test_part_has_none(path, tmp_path):
    run = load_run(path)
    config = json.loads((path / "config.json").read_text())
    del config["text"]["test_characters"], config["text"]["split"]
    before = (path / "config.json").read_bytes()
    (path / "config.json").write_text(json.dumps(config))
    try:
        with pytest.raises(ValueError, match=r"has no test part: .* its best weights were chosen on all"):
            evaluate_run(run, "test")
        found = evaluate_run(run, skill_pairs=0)
    finally:
        (path / "config.json").write_bytes(before)
    assert found.evaluation.characters > 0.09 * len(TEXT)
