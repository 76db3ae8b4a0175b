"""`python -m llm.cli`: the same as `uv run llm`."""

import sys

from llm.cli import main

sys.exit(main())
