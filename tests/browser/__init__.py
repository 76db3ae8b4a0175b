"""Tests in a real Chromium. A package, so that its fixtures end with it: see `browser` in conftest.py."""
