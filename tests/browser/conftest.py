"""A real server, a real Chromium, and a tab in it."""

import contextlib
import os
import re
from collections.abc import Iterator

import pytest
from app_server import CHROMIUM, FLAGS, PATIENCE, TESTER, Server
from playwright.sync_api import BrowserContext, Page, expect, sync_playwright

from components.shared.visitors import PERSON

expect.set_options(timeout=PATIENCE)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The test of a cold server comes first: it need not start another one."""
    items.sort(key=lambda item: item.path.name != "test_cold_start.py")


@pytest.fixture(scope="package")
def _running_server(tmp_path_factory) -> Iterator[Server]:
    """Starting a server takes longer than most tests here."""
    if CHROMIUM is None:
        assert not os.environ.get("CI"), "with CI set the browser tests must run, and there is no chromium"
        pytest.skip("there is no chromium on this machine: `apt install chromium-headless-shell`")
    running = Server(tmp_path_factory.mktemp("server"))
    yield running
    running.stop()


@pytest.fixture(scope="module")
def server(_running_server: Server, request: pytest.FixtureRequest) -> Iterator[Server]:
    """The server without any run or upload, and with the sources of the project."""
    failed_before = request.session.testsfailed
    _running_server.reset()
    yield _running_server
    _running_server.cold = False
    if request.session.testsfailed > failed_before:  # stops what a failed test left running
        _running_server.stop()
        _running_server.start()
    assert _running_server.errors == []


@pytest.fixture(scope="package")
def context(tmp_path_factory) -> Iterator[BrowserContext]:
    """What all tabs share: its cache on the disk, so that only the first tab downloads and compiles the scripts.

    Playwright runs an event loop in this thread; it must end before other tests of the process need one.
    """
    with sync_playwright() as playwright:
        context = playwright.chromium.launch_persistent_context(
            tmp_path_factory.mktemp("profile"), executable_path=CHROMIUM, args=FLAGS,
            viewport={"width": 1440, "height": 1000}, reduced_motion="reduce",
        )  # fmt: skip
        context.set_default_timeout(PATIENCE)
        yield context
        context.close()


@pytest.fixture
def page(server: Server, context: BrowserContext) -> Iterator[Page]:
    """A tab of the tests' own browser, without anything stored."""
    with _new_tab(context, server) as page:
        yield page


@pytest.fixture(scope="module")
def tab(server: Server, context: BrowserContext) -> Iterator[Page]:
    """One tab for several tests of a file: each goes on where the one before stopped, as loading a page takes seconds.

    Each test begins by going where it wants to be.
    """
    with _new_tab(context, server) as page:
        yield page


@contextlib.contextmanager
def _new_tab(context: BrowserContext, server: Server) -> Iterator[Page]:
    """An error in a script on the page fails the test."""
    context.add_cookies([{"name": PERSON, "value": TESTER, "url": server.url}])
    others = list(context.pages)
    page = context.new_page()
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    yield page
    for tab in context.pages:
        if tab not in others:  # also those that the test opened
            tab.evaluate("localStorage.clear(), sessionStorage.clear()")
            tab.close()
    context.clear_cookies(name=re.compile(f"(?!{PERSON}$)"))  # an open tab of the file stays the same browser
    assert problems == []
