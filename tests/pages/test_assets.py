"""Scripts and styles: what the server serves, and what a standalone page contains."""

import base64
import json
import re

import pytest
from starlette.applications import Starlette
from starlette.routing import Route
from starlette.testclient import TestClient

from components.shared import assets
from components.shared.browser import BrowserComponent
from components.shared.export import standalone
from components.views.lens.explanations import LOGIT_LENS

VIEW = "views/lens/view.js"


@pytest.fixture
def client() -> TestClient:
    return TestClient(Starlette(routes=[Route(assets.ASSETS_URL, assets.asset)]))


@pytest.fixture
def folder(monkeypatch, tmp_path):
    """A folder with three modules, in place of components/."""
    (tmp_path / "a").mkdir()
    (tmp_path / "a/view.js").write_text(
        'import {\n  two,\n} from "../b.js";\nimport x from "./c.js";\nexport default two;\n'
    )
    (tmp_path / "b.js").write_text('import { c } from "./a/c.js";\nexport const two = c + c;\n')
    (tmp_path / "a/c.js").write_text('export const c = 1; // from "./nothing.js"\n')
    (tmp_path / "b.css").write_text(".b { color: red }")
    monkeypatch.setattr(assets, "COMPONENTS", tmp_path)
    return tmp_path


def test_modules_come_after_what_they_import(folder):
    assert list(assets.modules("a/view.js")) == ["a/c.js", "b.js", "a/view.js"]


def test_styles_beside_imported_modules_are_included(folder):
    assert ".b { color: red }" in assets.style("a/view.js")


def test_modules_that_import_each_other_are_collected_once(folder):
    (folder / "a/c.js").write_text('import { two } from "../b.js";\n')
    assert sorted(assets.modules("a/view.js")) == ["a/c.js", "a/view.js", "b.js"]


def test_an_import_from_outside_is_an_error(folder):
    (folder / "b.js").write_text('import { c } from "../../secret.js";\n')
    with pytest.raises(ValueError, match="outside components/"):
        assets.modules("a/view.js")


def test_an_import_map_names_every_module_and_leaves_no_relative_import(folder):
    imports = json.loads(assets.import_map("a/view.js"))["imports"]
    assert set(imports) == {"components/a/view.js", "components/b.js", "components/a/c.js"}
    for address in imports.values():
        source = base64.b64decode(address.partition(",")[2]).decode()
        assert not assets.IMPORT.search(source)
        assert set(re.findall(r'^import[^"]*"([^"]+)"', source, re.MULTILINE)) <= set(imports)


def test_an_edit_changes_the_version(folder):
    before = assets.version()
    assert assets.version() == before
    (folder / "b.css").write_text(".b { color: blue }")
    assert assets.version() != before


def test_files_of_the_current_version_are_cached_forever_and_others_never(client):
    current = client.get(f"/assets/{assets.version()}/{VIEW}")
    assert current.status_code == 200 and "immutable" in current.headers["Cache-Control"]
    assert current.headers["Content-Type"].startswith("text/javascript")
    assert client.get(f"/assets/0123456789abcdef/{VIEW}").headers["Cache-Control"] == "no-store"


def test_an_edited_file_is_not_cached_under_its_old_version(client, folder):
    before = assets.version()
    assert "immutable" in client.get(f"/assets/{before}/b.js").headers["Cache-Control"]
    (folder / "b.js").write_text("export const two = 2;\n")
    assert client.get(f"/assets/{before}/b.js").headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize(
    "path",
    [
        "routes.py",
        "views/lens/__init__.py",
        "../main.py",
        "%2e%2e/main.py",
        "..%2fpackage.json",
        "views/lens",
        "/etc/passwd",
    ],
)
def test_nothing_but_scripts_styles_and_pictures_below_components_is_served(client, path):
    assert client.get(f"/assets/{assets.version()}/{path}").status_code == 404


def test_every_import_of_every_script_leads_to_a_file_that_is_served():
    served = assets.stamps()
    for path in served:
        if path.endswith(".js"):
            assert set(assets.modules(path)) <= set(served)


def test_an_exported_page_runs_only_scripts_with_its_own_nonce():
    component = BrowserComponent("inside_lens", VIEW)
    hostile = "</script><script>alert(1)</script>"
    page = standalone(component, hostile, hostile, {"labels": [hostile]}, {"lens": b"{}"}, [LOGIT_LENS]).decode()
    assert '<math xmlns="http://www.w3.org/1998/Math/MathML" display="block">' in page
    assert LOGIT_LENS.equation not in page
    [policy] = re.findall(r'Content-Security-Policy" content="([^"]+)"', page)
    directives = dict(part.strip().split(" ", 1) for part in policy.split(";"))
    nonce = directives["script-src"].removeprefix("'nonce-").removesuffix("'")
    assert directives["default-src"] == "'none'" and len(nonce) > 16
    assert set(re.findall(r"<script[^>]*>", page)) == {
        f'<script type="importmap" nonce="{nonce}">',
        f'<script type="module" nonce="{nonce}">',
    }
    other = standalone(component, "", "", {}, {}, ()).decode()
    assert nonce not in other
