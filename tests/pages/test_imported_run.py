"""A model from another project opens on the pages: they start with an example, or say that its text is not here."""

import pytest
from app_pages import never_ask, open_page, texts, tiny_run

from llm.checkpoints import list_runs, load_run
from llm.interop.huggingface_export import export_huggingface
from llm.interop.huggingface_import import import_huggingface
from llm.runs.corpus import NoTextError, run_corpus


@pytest.fixture
def imported(home) -> str:
    never_ask(home)
    export_huggingface(load_run(tiny_run(home)), home / "exported")
    return import_huggingface(home / "exported", home / "checkpoints").id


@pytest.mark.parametrize(
    "page", ["home", "train", "runs", "generate", "compare", "attention", "inside", "code", "circuit"]
)
def test_a_page_opens_an_imported_run(imported, page):
    app = open_page(page, run=imported)
    assert "did not work" not in texts(app) and "damaged" not in texts(app)


def test_what_needs_the_training_text_says_that_it_is_not_here(home, imported):
    run = load_run(home / "checkpoints" / imported)
    with pytest.raises(NoTextError, match=f"{imported} was imported: the text .* is not here"):
        run_corpus(run.folder, run.tokenizer)


@pytest.mark.parametrize("view", ["compare", "merges", "vocabulary"])
def test_the_tokenizer_of_an_imported_run_is_counted_in_the_default_text(imported, view):
    app = open_page("tokenizer", view=view, text="The hen")
    next(box for box in app.selectbox if box.key == "tokenizer-run").select_index(1).run()
    if view != "compare":
        next(control for control in app.segmented_control if control.label == "Tokenizer").set_value(imported).run()
    assert "did not work" not in texts(app) and not app.exception
    if view == "vocabulary":
        assert "training.txt" in texts(app)


def test_an_imported_run_is_listed_as_such(home, imported):
    label = next(run.label for run in list_runs(home / "checkpoints") if run.id == imported)
    assert label.startswith("exported · imported gpt2 · huggingface") and "step" not in label
