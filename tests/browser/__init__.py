"""Tests in a real Chromium. A package, so that its fixtures end with it: see `context` in conftest.py."""
