"""Everything that these tests write is in a temporary folder."""

from app_pages import home  # noqa: F401 (a fixture)
