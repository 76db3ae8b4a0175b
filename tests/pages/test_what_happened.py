"""The section What happened of a run's page: what the run doctor finds."""

from app_pages import open_page, texts, tiny_run, training_run
from run_folders import change_config

from llm.checkpoints import RunFolder
from llm.doctor import diagnose


def test_a_finished_run_says_what_happened(home):
    path = tiny_run(home)
    change_config(path, lambda config: config["text"].update(train_tokens=10))
    (finding,) = (found for found in diagnose(path).findings if found.rule == "text_too_small")
    shown = texts(open_page("train", run=path.name))
    for part in ("**Hint**", finding.what, finding.evidence, finding.advice, f"llm doctor {path.name}"):
        assert part in shown


def test_a_message_from_outside_is_plain_text(home):
    path = tiny_run(home)
    RunFolder(path).write_status("failed", "Training diverged: **bold** <b>", 3)
    app = open_page("train", run=path.name)
    assert any("Training diverged: **bold** <b>" in text.value for text in app.get("text"))
    assert not any("<b>" in text.value for text in app.markdown)


def test_while_a_run_trains_the_section_is_closed_and_can_be_read_again(home):
    run = training_run(home)
    assert run.wait("running", timeout=30)
    app = open_page("train", run=run.id)
    key = f"train-doctor-{run.id}-running"
    assert "As of step" not in texts(app)
    app.session_state[key] = True
    app.run()
    assert "As of step" in texts(app)
    assert [button.label for button in app.button if button.key == "train-doctor-again"] == ["Look again"]
