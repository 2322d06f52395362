"""The page in a real browser, opened from its folder."""

from __future__ import annotations

import csv
import io
import json
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import numpy as np
import page_files as files
import pyarrow.parquet as pq
import pytest
from browser import chromium, needs_browser
from made_tree import HOSTILE, HOSTILE_LABEL
from PIL import Image
from small_page import BROKEN_ROW, HOSTILE_ROW, NUM_IMAGES, UNPLACED, row_of, small_path

pytestmark = needs_browser


@pytest.fixture(scope="module")
def browser():
    with chromium() as opened:
        yield opened


@pytest.fixture
def opened(browser, small):
    """Open the page at an address; at the end nothing was asked of anywhere else, and nothing went
    wrong unnoticed.
    """
    contexts, wrong = [], []

    def open_page(hash_="", **options):
        viewport = {"width": 1280, "height": 800}
        context = browser.new_context(
            **{"viewport": viewport, "reduced_motion": "reduce", **options}
        )
        page = context.new_page()
        page.set_default_timeout(10_000)
        inside = small.folder.as_uri() + "/"
        page.on("request", lambda r: None if r.url.startswith(inside) else wrong.append(r.url))
        page.on("console", lambda m: wrong.append(m.text) if m.type == "error" else None)
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("dialog", lambda dialog: wrong.append(dialog.message) or dialog.dismiss())
        page.goto(f"{inside}index.html{hash_}")
        page.wait_for_selector("#card h2")
        contexts.append(context)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert wrong == []


@pytest.fixture(scope="module")
def root(small):
    return files.shard(small.folder, "nodes/root")


@pytest.fixture(scope="module")
def rows(small):
    return files.rows(small.folder)


def shown_row(page, element) -> int:
    """Of the image that an element shows in its middle, told by its colour."""
    page.evaluate("treePage.thumbs.settled()")
    page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    pixels = np.asarray(Image.open(io.BytesIO(element.screenshot())).convert("RGB"))
    return row_of(pixels[pixels.shape[0] // 2, pixels.shape[1] // 2])


def leaf_trail(small, number: int = 0) -> tuple[list[str], dict]:
    """Ids down to a leaf, and the leaf as its parent knows it."""
    trail, view = [], files.shard(small.folder, "nodes/root")
    while True:
        child = view["children"][min(number, len(view["children"]) - 1)]
        trail.append(child["id"])
        if child["leaf"]:
            return trail, child
        view = files.shard(small.folder, f"nodes/{child['id']}")


def names(page, selector: str) -> list[str]:
    return page.locator(selector).all_inner_texts()


# Looking


def test_areas_of_cells_are_numbers_of_images(opened, root):
    page = opened()
    boxes = [cell.bounding_box() for cell in page.locator(".cell").all()]
    areas = np.array([box["width"] * box["height"] for box in boxes])
    counts = np.array([child["count"] for child in root["children"]])
    assert areas / areas.sum() == pytest.approx(counts / counts.sum(), rel=0.01)
    whole = page.locator(".treemap").bounding_box()
    assert areas.sum() == pytest.approx(whole["width"] * whole["height"], rel=0.01)


def test_cells_are_filled_with_pictures_of_their_images(opened, root, rows):
    page = opened()
    for cell, child in zip(page.locator(".cell").all(), root["children"], strict=True):
        within = rows[child["start"] : child["start"] + child["count"]]
        assert shown_row(page, cell) in within


def test_clicks_go_down_to_the_images_and_the_breadcrumb_goes_back(opened, small, rows):
    page = opened()
    trail, leaf = leaf_trail(small)
    for depth in range(len(trail)):
        page.locator(f'.cell[data-id="{trail[depth]}"] .open').click()
        page.wait_for_selector(f"#trail a:nth-child({depth + 2})")
    tiles = page.locator(".grid .tile")
    assert tiles.count() == min(leaf["count"], 40)
    for place in (0, 1, tiles.count() - 1):
        assert shown_row(page, tiles.nth(place)) == rows[leaf["start"] + place]
    page.locator("#trail a").nth(1).click()
    page.wait_for_selector(".cell")
    assert page.evaluate("treePage.state.trail") == trail[:1]
    page.go_back()
    page.wait_for_selector(".grid")
    page.go_back()
    page.wait_for_selector(".cell")
    assert page.evaluate("treePage.state.trail") == trail[:-1]


def test_the_keyboard_does_all_that_the_mouse_does(opened, small):
    page = opened()
    trail, leaf = leaf_trail(small)
    page.keyboard.press("ArrowRight")  # the first cell has the focus
    page.keyboard.press("ArrowRight")
    beside = page.evaluate("document.activeElement.closest('.cell').dataset.id")
    assert beside != trail[0]
    page.keyboard.press("Home")
    for depth in range(1, len(trail) + 1):
        page.keyboard.press("Enter")
        # the next key goes to the view that opens, when it is there and has the focus
        page.wait_for_function(
            "depth => treePage.state.trail.length === depth && "
            "document.activeElement.closest('.cell, .tile')",
            arg=depth,
        )
        page.wait_for_selector(".cell" if depth < len(trail) else ".grid")
    page.wait_for_selector(".grid")
    page.keyboard.press("End")
    page.keyboard.press("Home")
    page.keyboard.press("ArrowDown")
    columns = page.evaluate(
        "[...document.querySelectorAll('.grid .tile')].filter("
        "(one, _, all) => one.offsetTop === all[0].offsetTop).length"
    )
    position = leaf["start"] + columns
    assert page.evaluate("document.activeElement.parentElement.dataset.position") == str(position)
    page.keyboard.press("x")
    assert page.evaluate("treePage.store.selection") == [[position, position + 1]]
    page.keyboard.press("Enter")
    page.wait_for_selector("#card .similar")
    page.keyboard.press("Escape")
    page.wait_for_selector("#card.of-image", state="detached")
    page.keyboard.press("Backspace")
    page.wait_for_selector(".cell")
    focused = page.evaluate("document.activeElement.closest('.cell').dataset.id")
    assert focused == trail[-1]  # where it came from
    page.keyboard.press("i")
    page.wait_for_selector(".grid")
    page.keyboard.press("i")
    page.keyboard.press("?")
    assert page.locator("#help").is_visible()
    page.keyboard.press("Escape")
    page.keyboard.press("/")
    page.keyboard.type("apfel 0001")
    page.wait_for_selector(".captions .tile")
    page.keyboard.press("Escape")
    page.wait_for_selector(".cell")
    page.keyboard.press("c")
    assert page.locator("#tray").is_hidden()


def test_hovering_shows_pictures_of_the_node(opened, root):
    page = opened()
    page.locator(".cell .open").first.hover()
    page.wait_for_selector("#tip canvas")
    child = root["children"][0]
    assert page.locator("#tip canvas").count() == min(12, len(child["faces"]))
    assert f"{child['count']} images" in page.locator("#tip").inner_text()
    page.mouse.move(1270, 790)
    page.wait_for_selector("#tip", state="hidden")


def test_pages_and_the_order_of_a_node_shown_as_images(opened, rows, small):
    trail, leaf = leaf_trail(small)
    page = opened(f"#{'/'.join(trail)}?order=far")
    assert shown_row(page, page.locator(".tile").first) == rows[leaf["start"] + leaf["count"] - 1]
    page.goto(page.url.split("#")[0] + "#?show=images")
    page.wait_for_function("() => document.querySelector('.pager input')?.max === '18'")
    page.locator("[aria-label='Next page']").click()
    page.wait_for_function("() => document.querySelector('.pager input').value === '2'")
    assert shown_row(page, page.locator(".tile").first) == rows[40]
    page.locator(".pager input").fill("18")
    page.keyboard.press("Enter")
    page.wait_for_function("() => document.querySelectorAll('.grid .tile').length === 17")
    assert page.locator("[aria-label='Next page']").is_disabled()


def test_the_card_tells_what_the_tree_knows_of_the_node(opened, small, root):
    page = opened(f"#{root['children'][0]['id']}")
    view = files.shard(small.folder, f"nodes/{root['children'][0]['id']}")
    text = page.locator("#card").inner_text()
    assert f"{view['count']}\n" in text
    for title in ("Representatives", "Edge cases", "Outliers", "Nearest siblings", "Labels"):
        assert title in text
    assert text.index("Representatives") < text.index("Edge cases") < text.index("Outliers")
    shown = page.locator("#card section:has-text('Representatives') .tile")
    positions = [int(tile.get_attribute("data-position")) for tile in shown.all()]
    assert positions == view["representatives"]
    bars = names(page, ".bars li")
    assert [bar.split("\n")[0] for bar in bars] == [label for label, _ in view["labels"]]
    page.locator(".sibling").first.click()
    page.wait_for_function(f"() => treePage.state.trail[0] === '{view['siblings'][0]['id']}'")


def test_the_most_similar_images_are_the_stored_ones_and_lead_on(opened, small, rows):
    trail, leaf = leaf_trail(small)
    position = leaf["start"] + 2
    block = files.blocks(small.folder)[position // 512]
    near = [position + offset for offset in block["similar"][position - block["start"]]]
    page = opened("#" + "/".join(trail))
    page.locator(f'.grid .tile[data-position="{position}"] .open').click()
    page.wait_for_selector("#card .similar")
    shown = page.locator("#card .similar .tile")
    assert [int(tile.get_attribute("data-position")) for tile in shown.all()] == near
    assert shown_row(page, shown.first.locator("canvas")) in (rows[near[0]], BROKEN_ROW)
    assert page.locator("#card h2").inner_text() == small_path(rows[position]).split("/")[1]
    shown.first.locator(".open").click()
    page.wait_for_function(f"() => treePage.state.image === {near[0]}")
    page.get_by_role("button", name="Show in the tree").click()
    page.wait_for_selector(f'.grid .tile.current[data-position="{near[0]}"]')


def test_images_outside_the_tree_are_shown_with_their_reason(opened):
    page = opened()
    page.get_by_role("button", name="Show those outside the tree").click()
    page.wait_for_selector(".grid .badge.bad")
    assert page.locator(".grid .tile").count() == UNPLACED
    page.locator(".grid .tile .open").first.click()
    page.wait_for_selector("#card .bad")
    assert page.locator("#card .bad").inner_text() == "it is truncated"


# Searching


def test_search_finds_names_anywhere_in_any_case_and_all_words(opened, rows):
    page = opened()
    page.locator("#search").fill("É.JPG shelf_1 069")
    page.wait_for_selector(".captions .tile")
    page.wait_for_selector(".results progress", state="detached")
    wanted = [small_path(row) for row in range(690, 700) if row % 3 == 1]
    assert sorted(names(page, ".caption")) == sorted(path.split("/")[1] for path in wanted)
    assert page.locator(".found").inner_text() == f"{len(wanted)} images"
    first = page.locator(".captions .tile").first
    assert f"{shown_row(page, first.locator('canvas')):04d}" in first.inner_text()


def test_search_finds_nodes_by_their_label_and_opens_them(opened, small):
    page = opened("#?q=kind%203")
    page.wait_for_selector(".found-nodes button")
    nodes = files.shard(small.folder, "names/nodes")
    texts = [f"{i} {name}" for i, name in zip(nodes["ids"], nodes["names"], strict=True)]
    matching = [text for text in texts if "kind" in text and "3" in text]
    assert page.locator(".found-nodes button").count() == len(matching)
    page.locator(".found-nodes button:has-text('kind 3')").first.click()
    page.wait_for_selector("#trail a:nth-child(2)")
    assert page.locator("#card h2").inner_text() == "kind 3"


def test_a_search_without_a_hit_says_so(opened):
    page = opened("#?q=nothing%20like%20it")
    page.wait_for_function("() => document.querySelector('.found')?.textContent === '0 images'")


# Selecting, naming, downloading


def csv_of(page, click) -> list[dict]:
    with page.expect_download() as download:
        click()
    text = download.value.path().read_text(encoding="utf-8-sig")
    return list(csv.DictReader(io.StringIO(text, newline="")))


def test_a_selection_of_nodes_and_images_is_downloaded_as_the_table_has_it(opened, small, rows):
    page = opened()
    first = page.locator(".cell").first
    first.hover()
    first.locator(".corner").click()
    page.keyboard.press("s")  # every click selects
    page.goto(page.url.split("#")[0] + f"#?show=images&page={NUM_IMAGES // 40}")
    page.wait_for_function("() => document.querySelectorAll('.grid .tile').length === 40")
    page.locator(".grid .tile .open").first.click()
    ranges = page.evaluate("treePage.store.selection")
    chosen = [rows[p] for start, end in ranges for p in range(start, end)]
    found = csv_of(page, lambda: page.get_by_role("button", name="Download CSV").click())
    assert [int(row["row"]) for row in found] == chosen
    table = pq.read_table(small.folder / "images.parquet").to_pylist()
    for row in found:
        image = table[int(row["row"])]
        assert row["path"] == image["path"]
        assert row["label"] == image["label"]
        assert [int(row[f"prototype_{level}"]) for level in range(3)] == [
            image[f"prototype_{level}"] for level in range(3)
        ]
        assert float(row["distance_0"]) == pytest.approx(image["distance_0"], abs=6e-4)
        assert int(row["duplicate_group"]) == image["duplicate_group"]


def test_an_image_can_be_taken_out_of_a_selected_node(opened, small):
    trail, leaf = leaf_trail(small)
    page = opened("#" + "/".join(trail))
    page.locator("#card .primary").click()
    start, end = leaf["start"], leaf["start"] + leaf["count"]
    assert page.evaluate("treePage.store.selection") == [[start, end]]
    tile = page.locator(".grid .tile").nth(1)
    tile.hover()
    tile.locator(".corner").click()
    assert page.evaluate("treePage.store.selection") == [[start, start + 1], [start + 2, end]]
    page.keyboard.press("Backspace")
    page.wait_for_selector(f'.cell.partly[data-id="{trail[-1]}"]')


def name_selection(page, name: str) -> None:
    page.locator("#tray input").fill(name)
    page.keyboard.press("Enter")
    page.wait_for_selector("#tray", state="hidden")


def test_names_survive_a_reload_and_go_out_and_in_as_a_file(opened, root, tmp_path):
    page = opened()
    first = root["children"][0]
    page.locator(".cell").first.hover()
    page.locator(".cell .corner").first.click()
    name_selection(page, HOSTILE)
    page.reload()
    page.wait_for_selector(".tag .given")
    assert names(page, ".tag .given") == [HOSTILE]
    page.locator("#names-button").click()
    with page.expect_download() as download:
        page.get_by_role("button", name="Export").click()
    exported = json.loads(download.value.path().read_text())
    run = [first["start"], first["start"] + first["count"]]
    assert exported["names"] == [{"name": HOSTILE, "images": [run]}]
    found = csv_of(page, lambda: page.get_by_role("button", name=f"CSV: {HOSTILE}").click())
    assert len(found) == first["count"]
    assert {row["names"] for row in found} == {HOSTILE}

    other = opened()  # another profile of the browser: no names
    assert names(other, ".tag .given") == []
    path = tmp_path / "names.json"
    for content, said in (
        (json.dumps({**exported, "tree": "0"}), "these names belong to another tree"),
        ("[1, 2", "this file is no export of names"),
        (json.dumps({**exported, "names": [{"name": "a", "images": [[5, 10**9]]}]}), "no export"),
    ):
        path.write_text(content)
        other.locator("#names-button").click()
        other.locator("#names input[type=file]").set_input_files(path)
        other.wait_for_function(
            "(said) => document.getElementById('status').textContent.includes(said)", arg=said
        )
        other.keyboard.press("Escape")
        assert names(other, ".tag .given") == []
    path.write_text(json.dumps(exported))
    other.locator("#names-button").click()
    other.locator("#names input[type=file]").set_input_files(path)
    other.wait_for_selector(".tag .given")


def test_names_are_renamed_joined_and_forgotten(opened, rows):
    page = opened()
    for place, name in enumerate(("a", "b")):
        page.evaluate(f"treePage.store.select([[{10 * place}, {10 * place + 10}]])")
        name_selection(page, name)
    page.locator("#names-button").click()
    page.get_by_role("button", name="Rename: a").click()
    page.locator("#names li input").fill("b")
    page.keyboard.press("Enter")
    assert page.evaluate("treePage.store.names") == [{"name": "b", "images": [[0, 20]]}]
    page.evaluate("window.confirm = () => true")
    page.get_by_role("button", name="Delete: b").click()
    assert page.evaluate("treePage.store.names") == []


# What must not happen


def test_hostile_names_and_labels_are_text(opened, small, rows):
    page = opened("#?q=onerror")
    page.wait_for_selector(".captions .tile")
    assert names(page, ".caption") == [HOSTILE]
    page.locator(".captions .tile .open").click()
    page.wait_for_selector("#card .similar")
    assert page.locator("#card h2").inner_text() == HOSTILE
    position = rows.index(HOSTILE_ROW)
    found = page.evaluate(f"treePage.data.image({position}).then((image) => image.path)")
    assert found == f"odd/{HOSTILE}"
    leaf = next(
        one
        for block in files.blocks(small.folder)
        for one in block["leaves"]
        if one["name"] == HOSTILE_LABEL
    )
    page.goto(page.url.split("#")[0] + "#" + "/".join(identity for identity, _ in leaf["trail"]))
    page.wait_for_selector("#trail [aria-current]:has-text('script')")
    assert page.locator("#card h2").inner_text() == HOSTILE_LABEL
    assert page.title() == HOSTILE_LABEL
    assert HOSTILE_LABEL in names(page, ".bars .data")
    assert page.locator("#trail a").first.inner_text() == "Small <b>tree</b>"
    assert page.evaluate("document.querySelectorAll('main img, main script, #bar b').length") == 0


def test_odd_addresses_lead_to_a_word_or_to_the_root(opened):
    page = opened()
    for trail in ("l2-0/nowhere", "../../etc", r"..\\..\\page/app"):
        page.evaluate(f"location.hash = '#{trail}'")
        page.wait_for_function(
            "(said) => document.getElementById('status').textContent.includes(said)",
            arg=f"there is no node {trail} in this tree".replace("\\\\", "\\"),
        )
        assert page.locator(".cell").count() == 3  # what was shown stays
    page.evaluate("location.hash = '#?page=-3&image=999999&show=<b>'")
    page.wait_for_timeout(100)
    assert page.locator(".cell").count() == 3
    assert page.locator("#card h2").inner_text() == "Small <b>tree</b>"


def test_a_missing_file_is_named(small, browser):
    page = browser.new_page()
    page.route("**/nodes/l*.js", lambda route: route.abort())
    page.goto((small.folder / "index.html").as_uri())
    page.locator(".cell .open").first.click()
    page.wait_for_selector("#status.error")
    assert "page/data/nodes/l2-" in page.locator("#status").inner_text()
    page.close()


def test_the_page_works_from_a_web_space_below_any_folder(small, browser):
    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    handler = partial(Quiet, directory=str(small.folder.parent))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}/{small.folder.name}/"
        page, asked = browser.new_page(), []
        page.on("request", lambda request: asked.append(request.url))
        page.goto(address)
        page.locator(".cell .open").first.click()
        page.wait_for_selector("#trail a:nth-child(2)")
        page.evaluate("treePage.thumbs.settled()")
        assert all(url.startswith(address) for url in asked)
        page.close()
        server.shutdown()


@pytest.mark.parametrize(("width", "height"), [(360, 740), (1280, 800), (2560, 1400)])
def test_every_size_and_scheme_shows_all(opened, small, width, height):
    trail, _ = leaf_trail(small)
    page = opened(viewport={"width": width, "height": height})
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
        brightness = sum(map(int, ground.strip("rgb()").split(",")))
        assert (brightness < 200) == (scheme == "dark")
    for hash_ in ("", "/".join(trail), f"{'/'.join(trail)}?image=3", "?q=apfel"):
        page.evaluate(f"location.hash = '{hash_}'")
        page.wait_for_selector(".captions .tile" if "q=" in hash_ else ".cell, .tile")
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        for selector in ("#trail", "#search", "#selecting", "#names-button", "#theme"):
            box = page.locator(selector).bounding_box()
            assert box["x"] >= 0
            assert box["x"] + box["width"] <= width


def test_the_theme_can_be_chosen_and_is_remembered(opened):
    page = opened(color_scheme="light")
    page.locator("#theme").click()  # light
    page.locator("#theme").click()  # dark
    page.reload()
    page.wait_for_selector(".cell")
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"


# Parts


def test_squarified_cells_share_the_rectangle_out(opened):
    page = opened()
    random = np.random.default_rng(0)
    for number in (1, 2, 7, 400):
        values = np.sort(random.lognormal(0, 1.5, number))[::-1]
        cells = page.evaluate(
            "(values) => treePage.layout.squarify(values, 900, 600)", values.tolist()
        )
        areas = np.array([cell["width"] * cell["height"] for cell in cells])
        assert areas == pytest.approx(values / values.sum() * 900 * 600, rel=1e-6)
        canvas = np.zeros((60, 90), int)  # every 10 × 10 pixels' middle lies in one cell
        for cell in cells:
            x, y = cell["x"] / 10 - 0.5, cell["y"] / 10 - 0.5
            right, bottom = x + cell["width"] / 10, y + cell["height"] / 10
            canvas[
                int(np.ceil(y)) : int(np.ceil(bottom)), int(np.ceil(x)) : int(np.ceil(right))
            ] += 1
        assert (canvas == 1).all()


def test_ranges_are_sets(opened):
    random = np.random.default_rng(1)
    edits = [
        ["add" if random.random() < 0.55 else "remove", start, start + length]
        for start, length in zip(
            random.integers(0, 60, 400).tolist(), random.integers(1, 12, 400).tolist(), strict=True
        )
    ]
    steps = opened().evaluate(
        """(edits) => {
            const { ranges } = treePage;
            let now = [];
            return edits.map(([edit, start, end]) => {
                now = ranges[edit](now, start, end);
                return [now, ranges.valid(now, 80), ranges.size(now), ranges.within(now, 20, 40),
                    ranges.covers(now, 30, 33)];
            });
        }""",
        edits,
    )
    members: set[int] = set()
    for (edit, start, end), (now, valid, size, within, covers) in zip(edits, steps, strict=True):
        run = set(range(start, end))
        members = members | run if edit == "add" else members - run
        assert {p for first, last in now for p in range(first, last)} == members
        assert valid
        assert size == len(members)
        assert within == len(members & set(range(20, 40)))
        assert covers == ({30, 31, 32} <= members)
