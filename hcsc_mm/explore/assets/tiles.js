"use strict";

// Images as tiles: one picture, a click that opens it, a corner that selects it. One tile of a
// group is reached with Tab, the others with arrows.
treePage.tiles = (() => {
  const { el, format, store } = treePage;

  // The corner that selects a run of images.
  const corner = (start, end, what) => {
    const button = el("button", {
      class: "corner",
      type: "button",
      tabindex: -1,
      "data-start": start,
      "data-end": end,
      "aria-label": `Select ${what}`,
      click: (event) => {
        event.stopPropagation();
        store.toggle(start, end);
      },
    });
    mark(button);
    return button;
  };

  const mark = (button) => {
    const { start, end } = button.dataset;
    const state = store.selected(Number(start), Number(end));
    const pressed = { all: "true", some: "mixed", none: "false" }[state];
    button.setAttribute("aria-pressed", pressed);
    button.parentElement?.classList.toggle("selected", state === "all");
    button.parentElement?.classList.toggle("partly", state === "some");
  };

  // After every change of the selection.
  const markAll = () => document.querySelectorAll(".corner").forEach(mark);

  const isSelecting = (event) =>
    event.ctrlKey || event.metaKey || document.body.classList.contains("selecting");

  // Facts, where they are known, are {path, group, unreadable} of the image.
  const tile = (position, { view, facts, caption, note, first } = {}) => {
    const name = facts ? format.fileName(facts.path) : `image ${position + 1}`;
    const open = el(
      "button",
      {
        class: "open",
        type: "button",
        "aria-label": name,
        tabindex: first === false ? -1 : 0,
        click: (event) =>
          isSelecting(event)
            ? store.toggle(position, position + 1)
            : treePage.go({ image: position }),
        pointerenter: (event) =>
          event.pointerType === "mouse" && !caption &&
          treePage.tip.image(position, open.getBoundingClientRect()),
        pointerleave: treePage.tip.hide,
      },
      treePage.thumbs.picture(position, view),
    );
    const element = el(
      "div",
      { class: "tile", "data-position": position },
      open,
      facts && facts.group >= 0 ? el("span", { class: "badge" }, "≈") : null,
      facts && facts.unreadable ? el("span", { class: "badge bad" }, "!") : null,
      note ? el("span", { class: "note" }, note) : null,
      caption ? el("span", { class: "caption data" }, caption) : null,
    );
    const mine = corner(position, position + 1, name);
    element.append(mine);
    mark(mine);
    return element;
  };

  // Several images; Tab reaches the first.
  const group = (positions, options = {}, label = null) =>
    el(
      "div",
      { class: "tiles", role: "group", "aria-label": label },
      positions.map((position, place) => tile(position, { ...options, first: place === 0 })),
    );

  store.onChange(markAll);
  return { tile, group, corner, mark, isSelecting };
})();
