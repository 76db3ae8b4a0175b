"""The names under which the app keeps state: in the address bar, and in the session of a browser tab.

State that a shared link should restore is in the address (`st.query_params`); state of a tab is in the session
(`st.session_state`, where each control also keeps its value under its key). Names that only one view uses may be
declared in that view's folder instead.
"""

from __future__ import annotations

from enum import StrEnum

import streamlit as st


class Address(StrEnum):
    """Names in the address bar, and in the addresses of routes that answer for the same state."""

    # the selection
    RUN = "run"
    STEP = "step"
    PROMPT = "prompt"
    GROWN = "grown"  # tokens that the model appended to the prompt
    VIEW = "view"
    # Generate
    WRITTEN = "written"  # the seed of the text that is shown, and choices of tokens
    BESIDE = "beside"  # the run and the step that write the same text
    # Train: the form, even while a run is under way
    NEW = "new"
    # Runs, and the vocabulary
    SEARCH = "search"
    # Runs, and the implementations side by side on Code
    COLUMNS = "columns"
    # Compare
    RUNS = "runs"  # ids with dots between them
    AXIS = "axis"
    UNIT = "unit"
    LOG = "log"  # which axes are logarithmic
    BAND = "band"  # one band for runs that differ only in their seed
    # Tokenizer
    TEXT = "text"
    TOKENIZER = "tokenizer"
    REPLAY = "replay"  # whether merges are applied or learned
    # Code
    READ = "read"
    IMPLEMENTATION = "implementation"
    LINE = "line"
    # in several views
    LAYER = "layer"
    HEAD = "head"
    POSITION = "position"
    TOKEN = "token"
    LOCKED = "locked"  # the cell that stays selected when the mouse moves on
    ORDER = "order"
    COLOUR = "colour"
    # one head
    MATRIX = "matrix"
    REST = "rest"  # without the first token
    # heads through training
    SCORE = "score"
    CONTROL = "control"
    # attribution
    AGAINST = "against"
    ALL = "all"
    # residual stream
    FIGURE = "figure"
    # intervene
    OFF = "off"
    KIND = "kind"
    SCALE = "scale"
    ATTENTION = "gaze"  # how a head's attention is overridden
    ROW = "row"
    KEY = "key"
    # patching
    SITE = "site"
    CLEAN = "clean"
    CORRUPT = "corrupt"
    RIGHT = "right"
    WRONG = "wrong"
    # embeddings
    MAP = "map"
    POINTS = "points"
    CHOSEN = "chosen"
    AT = "at"
    # neurons
    NEURON = "neuron"
    # circuit
    EXAMPLE = "example"  # the number of an example, or the user's own text
    PREVIOUS = "previous"  # the previous-token head
    COPYING = "copying"  # the copying head
    OTHER = "other"  # the piece that replaces the one to be copied
    # presets
    PRESETS = "presets"


class Session(StrEnum):
    """Keys of controls, and of other state that a tab keeps until it is reloaded."""

    HOME_TRAIN = "home-train"
    HOME_ARCHITECTURE = "home-architecture"
    HOME_PATHWAY = "home-pathway"

    TRAIN_EARLIER = "train-earlier"
    TRAIN_START = "train-start"
    TRAIN_PACE = "train-pace"
    TRAIN_PAUSE = "train-pause"
    TRAIN_STEP = "train-step"
    TRAIN_RESUME = "train-resume"
    TRAIN_STOP = "train-stop"
    TRAIN_GENERATE = "train-generate"
    TRAIN_NEW = "train-new"
    TRAIN_BRANCH = "train-branch"  # the section in which a run is continued or branched
    TRAIN_BRANCH_STEP = "train-branch-step"
    TRAIN_BRANCH_SETTINGS = "train-branch-settings"
    TRAIN_BRANCH_START = "train-branch-start"
    TRAIN_BRANCH_QUEUE = "train-branch-queue"
    TRAIN_PARENT = "train-parent"
    TRAIN_TREE = "train-tree"  # of branches
    TRAIN_DOCTOR = "train-doctor"  # the section that says what happened
    TRAIN_DOCTOR_AGAIN = "train-doctor-again"
    TRAIN_BATCH = "train-batch"  # whose batch is shown: a snapshot
    TRAIN_TEST = "train-test"  # whether the test part is measured
    TRAIN_PROBLEM = "train-problem"  # why the last command failed, until it has been shown
    TRAIN_UPLOAD = "train-upload"
    TRAIN_UPLOADED = "train-uploaded"  # the ids of the uploads that have been stored
    TRAIN_TEXT = "train-text"
    TRAIN_COLUMN = "train-column"
    TRAIN_SPLIT = "train-split"
    TRAIN_PUBLIC = "train-public"
    TRAIN_DOWNLOAD = "train-download"
    TRAIN_ARCHITECTURE = "train-architecture"
    TRAIN_CHOOSE = "train-choose"
    TRAIN_MODEL = "train-model"
    TRAIN_TRAINING = "train-training"
    TRAIN_SIZE = "train-size"
    TRAIN_TOKENIZER = "train-tokenizer"
    TRAIN_VOCAB = "train-vocab"
    TRAIN_RECIPE = "train-recipe"
    TRAIN_FILLED = "train-filled"  # whose settings the form was filled in with, in a sentence
    TRAIN_LIVE = "live"

    PRESETS = "presets"
    PRESETS_SIZE = "presets-size"

    SWEEP = "sweep"
    SWEEP_NAME = "sweep-name"
    SWEEP_VALUES = "sweep-values"
    SWEEP_ADD = "sweep-add"
    SWEEP_ADDED = "sweep-added"  # what came of adding one, in a sentence, until it has been shown
    SWEEP_RESULTS = "sweep-results"

    QUEUE_ADD = "queue-add"
    QUEUE_REMOVE = "queue-remove"
    QUEUE_FRONT = "queue-front"
    QUEUE_NEXT = "queue-next"
    QUEUE_SHOW = "queue-show"
    QUEUE_DISMISS = "queue-dismiss"

    RUNS_SEARCH = "runs-search"
    RUNS_COLUMNS = "runs-columns"
    RUNS_FILTER = "runs-filter"
    RUNS_TABLE = "runs-table"
    RUNS_TICKED = "runs-ticked"  # the ids of the runs that are ticked in it
    RUNS_CLICKED = "runs-clicked"  # the row whose name has just been clicked in it
    RUNS_UNTICK = "runs-untick"
    RUNS_TREE = "runs-tree"
    RUNS_RUN = "runs-run"
    RUNS_NAME = "runs-name"
    RUNS_TAGS = "runs-tags"
    RUNS_NOTE = "runs-note"
    RUNS_WRITE = "runs-write"
    RUNS_DUPLICATE = "runs-duplicate"
    RUNS_DELETE = "runs-delete"
    RUNS_EXPORT = "runs-export"
    RUNS_FORMAT = "runs-format"
    RUNS_PREPARE = "runs-prepare"
    RUNS_PREPARED = (
        "runs-prepared"  # the file that was converted last: of which run, step and format, and what it holds
    )
    RUNS_SNAPSHOTS = "runs-snapshots"
    RUNS_TEXT = "runs-text"
    RUNS_UPLOAD = "runs-upload"
    RUNS_UPLOADED = "runs-uploaded"  # the ids of the uploads that were unpacked
    RUNS_IMPORT = "runs-import"
    RUNS_IMPORTED = "runs-imported"  # the id of the run that this tab imported last
    RUNS_WHERE = "runs-where"
    RUNS_UNDO = "runs-undo"
    RUNS_RESTORE = "runs-restore"
    RUNS_REMOVE = "runs-remove"
    RUNS_DELETED = "runs-deleted"  # the id of the run that this tab has just deleted
    RUNS_PROBLEM = "runs-problem"  # why the last change of a run failed, until it has been shown

    GENERATE_PROMPT = "generate-prompt"
    GENERATE_SAMPLING = "sampling"
    GENERATE_SAMPLING_START = "generate-sampling-start"  # the settings that the controls began with
    GENERATE_START = "generate-start"
    GENERATE_DESK = "generate-desk"  # settings and result
    GENERATE_SETTINGS = "generate-settings"
    GENERATE_RESULT = "generate-result"
    GENERATE_OPEN = "generate-open"
    GENERATE_OPENED = "generate-opened"  # whether a kept text has just been opened, until that has been said
    GENERATE_OTHER = "generate-other"  # whether another checkpoint stands beside the text
    GENERATE_OTHER_RUN = "generate-other-run"
    GENERATE_OTHER_STEP = "generate-other-step"
    GENERATE_BESIDE = "generate-beside"
    GENERATE_INT8 = "generate-int8"  # the section on weights as integers
    GENERATE_INT8_MEASURE = "generate-int8-measure"
    GENERATE_TEXT = "generate-text"  # the id of the text that this tab started
    GENERATE_BLANKS = "generate-blanks"  # a text to fill in
    GENERATE_BLANK = "generate-blank"
    GENERATE_KEPT = "generate-kept"
    GENERATE_WRITING = "writing"
    GENERATE_SOURCES = "generate-sources"  # whether the training text is searched for what was written
    GENERATE_NOVELTY = "novelty"

    COMPARE_RUNS = "compare-runs"
    COMPARE_LOG = "compare-log"
    COMPARE_BAND = "compare-band"
    COMPARE_VIEW = "comparison"
    COMPARE_STEP = "compare-step"
    COMPARE_PROMPT = "compare-prompt"
    COMPARE_SAMPLING = "compare-sampling"
    COMPARE_SAMPLING_START = "compare-sampling-start"  # the settings that the address named when the tab opened it
    COMPARE_GENERATE = "compare-generate"
    COMPARE_TEXTS = "compare-texts"  # by run: the id of the text that this tab started
    COMPARE_WRITING = "compare-writing"

    TOKENIZER_TEXT = "tokenizer-text"
    TOKENIZER_VOCAB = "tokenizer-vocab"
    TOKENIZER_RUN = "tokenizer-run"
    TOKENIZER_MERGES = "tokenizer-merges"
    TOKENIZER_SEARCH = "tokenizer-search"
    TOKENIZER_VOCABULARY = "tokenizer-vocabulary"
    TOKENIZER_LANGUAGES = "tokenizer-languages"
    TOKENIZER_STRIP = "tokens"

    CODE_READ = "code-read"
    CODE_TEXT = "code-text"
    CODE_READER = "code"
    CODE_COLUMNS = "code-columns"
    CODE_SCRIPT = "code-script"
    CODE_DOWNLOAD = "code-download"
    CODE_EDIT = "code-edit"
    CODE_TRY = "code-try"

    LAST_RUN = "last-run"  # that the tab showed, on any page
    CHECKPOINT_RUN = "checkpoint-run"
    CHECKPOINT_STEP = "checkpoint-step"
    SELECTION_RUN = "selection-run"  # the run whose selection the address holds
    SELECTION_STEP = "selection-step"
    SELECTION_PROMPT = "selection-prompt"
    SELECTION_APPEND = "selection-append"
    SELECTION_SHRINK = "selection-shrink"

    VIEW_SECTION = "view-section"  # whether the section of a page that shows a view is open

    PREDICTION = "expect"
    PREDICTION_SWITCH = "expect-switch"

    INSIDE_PAIR = "inside-pair"
    INSIDE_PAIR_OF = "inside-pair-of"  # the run whose pair of tokens the address holds
    INSIDE_UNKNOWN = "inside-unknown"  # why a typed token was refused, until it has been shown
    INSIDE_CONTRAST = "inside-contrast"

    CIRCUIT_TEXT = "circuit-text"

    def of(self, *parts: str) -> str:
        """One of several keys of this kind, such as the prompt of one run."""
        return "-".join((self, *parts))


def control_key(page: str, name: str) -> str:
    """The key of a page's control whose value the address holds under `name`."""
    return f"{page}-{name}"


def keep(name: str, value: str) -> None:
    """Keep a value in the address; an empty one is removed."""
    if value:
        st.query_params[name] = value
    else:
        forget(name)


def forget(*names: str) -> None:
    """Remove these names from the address."""
    for name in names:
        st.query_params.pop(name, None)
