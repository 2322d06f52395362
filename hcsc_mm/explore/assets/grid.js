"use strict";

// The images of a run of positions, page by page.
treePage.grid = (() => {
  const { el, format, tiles } = treePage;
  const SIZES = [64, 96, 128, 176];

  const size = () => SIZES[treePage.store.look.size ?? 2];

  const resize = (step) => {
    const place = Math.max(0, Math.min(SIZES.length - 1, (treePage.store.look.size ?? 2) + step));
    treePage.store.setLook("size", place);
    document.documentElement.style.setProperty("--tile", `${size()}px`);
  };

  const numPages = (count) => Math.max(1, Math.ceil(count / treePage.summary.perPage));

  // Positions of a page; from the last one on where the farthest come first.
  const onPage = ({ start, count }, page, farthestFirst) => {
    const { perPage } = treePage.summary;
    const number = Math.max(0, Math.min(perPage, count - page * perPage));
    return Array.from({ length: number }, (_, i) =>
      farthestFirst ? start + count - 1 - page * perPage - i : start + page * perPage + i,
    );
  };

  const pager = (page, pages, go) => {
    const step = (by, text, label) =>
      el(
        "button",
        {
          type: "button",
          class: "icon",
          "aria-label": label,
          disabled: page + by < 0 || page + by >= pages,
          click: () => go(page + by),
        },
        text,
      );
    const number = el("input", {
      type: "number",
      min: 1,
      max: pages,
      value: page + 1,
      "aria-label": "Page",
      change: () => go(Math.max(0, Math.min(pages - 1, Math.floor(number.value || 1) - 1))),
    });
    return el(
      "span",
      { class: "pager" },
      step(-1, "‹", "Previous page"),
      number,
      el("span", { class: "muted" }, `of ${format.count(pages)}`),
      step(1, "›", "Next page"),
    );
  };

  const sizes = () =>
    el(
      "span",
      { class: "sizes" },
      [[-1, "−", "Smaller"], [1, "+", "Larger"]].map(([step, text, label]) =>
        el(
          "button",
          {
            type: "button",
            class: "icon",
            "aria-label": `${label} pictures`,
            click: () => resize(step),
          },
          text,
        ),
      ),
    );

  const head = (run, state) => {
    const first = state.page * treePage.summary.perPage;
    const last = Math.min(first + treePage.summary.perPage, run.count);
    const order = el(
      "select",
      {
        "aria-label": "Order",
        change: () => treePage.go({ order: order.value, page: 0 }),
      },
      [["near", "Nearest first"], ["far", "Farthest first"]].map(([value, text]) =>
        el("option", { value, selected: state.order === value }, text),
      ),
    );
    return el(
      "div",
      { class: "head" },
      el("span", {}, `${format.count(first + 1)}–${format.count(last)} of `,
        el("b", {}, format.count(run.count, "image"))),
      run.ordered ? order : null,
      sizes(),
      pager(state.page, numPages(run.count), (page) => treePage.go({ page })),
    );
  };

  // A run is {start, count, ordered}: ordered by the distance from its prototype, or as the tree.
  const show = async (stage, run, state, current) => {
    const positions = onPage(run, state.page, run.ordered && state.order === "far");
    const facts = await Promise.all(positions.map((position) => treePage.data.image(position)));
    if (!current()) return null;
    const list = el(
      "div",
      { class: "grid", role: "group", "aria-label": "Images" },
      facts.map((one, place) => tiles.tile(one.position, { facts: one, first: place === 0 })),
    );
    treePage.fill(stage, head(run, state), list);
    return (
      list.querySelector(`[data-position="${state.image}"]`) || list.firstElementChild
    );
  };

  document.documentElement.style.setProperty("--tile", `${size()}px`);
  return { show, pager, sizes, resize, numPages };
})();
