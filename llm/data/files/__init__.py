"""Training text from files of many kinds: what is taken of each, and what is left out.

Text, Markdown, source code and every other file in UTF-8 is taken as it is. Of tables (csv, tsv, json, jsonl) each row
is a document, and one column is its text. Web pages, PDF, Word documents and e-books are read by libraries. All but
the first are read in a process of its own that has bounds: `llm.data.files.process`.
"""
