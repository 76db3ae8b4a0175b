"""A separate home for every test of a page."""

from app_pages import home  # noqa: F401 (a fixture)
