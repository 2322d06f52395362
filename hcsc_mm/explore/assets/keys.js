"use strict";

// Everything can be done from the keyboard.
treePage.keys = (() => {
  const { el, store } = treePage;
  const help = treePage.byId("help");
  const DIRECTIONS = {
    ArrowLeft: [-1, 0],
    ArrowRight: [1, 0],
    ArrowUp: [0, -1],
    ArrowDown: [0, 1],
  };
  const TOLD = [
    ["Arrows", "next cell or image"],
    ["Enter", "open it"],
    ["Backspace, u", "one level up"],
    ["x, Ctrl click", "select it, or not"],
    ["s", "select with every click"],
    ["n", "name the selection"],
    ["d", "download the selection as CSV"],
    ["c", "clear the selection"],
    ["l", "list of names"],
    ["/", "search"],
    ["PageUp, PageDown", "pages of images"],
    ["+, −", "larger, smaller pictures"],
    ["i", "node as images, or as a tree"],
    ["m", "most similar of the image"],
    ["Esc", "close, leave the search"],
    ["t", "light, dark, or as the system"],
    ["?", "this list"],
  ];

  const focused = () => document.activeElement?.closest?.(".tile, .cell");

  const focus = (element) => {
    const group = element.parentElement;
    group.querySelectorAll(".open").forEach((open) => open.setAttribute("tabindex", -1));
    const open = element.querySelector(".open");
    open.setAttribute("tabindex", 0);
    open.focus();
    element.scrollIntoView({ block: "nearest" });
  };

  // Tiles stand in rows of one length; cells lie anywhere.
  const nextTile = (tile, [dx, dy]) => {
    const all = [...tile.parentElement.children];
    const columns = all.filter((one) => one.offsetTop === all[0].offsetTop).length;
    return all[all.indexOf(tile) + dx + dy * columns] || tile;
  };

  const move = (direction) => {
    const from = focused() || treePage.byId("stage").querySelector(".cell, .tile");
    if (!from) return;
    if (!focused()) focus(from);
    else if (from.classList.contains("cell")) focus(treePage.treemap.next(from, direction));
    else focus(nextTile(from, direction));
  };

  const ends = (last) => {
    const all = [...(focused()?.parentElement.querySelectorAll(".tile, .cell") || [])];
    if (all.length) focus(all[last ? all.length - 1 : 0]);
  };

  const click = (selector) => document.querySelector(selector)?.click();

  const similar = async () => {
    const position = focused()?.dataset.position;
    if (position) await treePage.go({ image: Number(position) });
    document.querySelector("#card .similar .open")?.focus();
  };

  const leave = () => {
    if (treePage.state.image !== null) treePage.go({ image: null });
    else if (treePage.state.query) treePage.go({ query: "" });
  };

  const COMMANDS = {
    Backspace: () => treePage.up(),
    u: () => treePage.up(),
    x: () => focused()?.querySelector(".corner").click(),
    s: () => click("#selecting"),
    n: () => treePage.tray.focus(),
    d: () => treePage.tray.downloadSelection(),
    c: () => treePage.tray.clear(),
    l: () => treePage.names.open(),
    "/": () => treePage.byId("search").focus(),
    PageUp: () => click(".pager button:first-child:enabled"),
    PageDown: () => click(".pager button:last-child:enabled"),
    "+": () => treePage.grid.resize(1),
    "-": () => treePage.grid.resize(-1),
    i: () => treePage.go({ show: treePage.state.show === "tree" ? "images" : "tree", page: 0 }),
    m: similar,
    t: () => click("#theme"),
    Home: () => ends(false),
    End: () => ends(true),
    Escape: leave,
    "?": () => help.showModal(),
  };

  const isTyping = ({ target }) =>
    target.matches("input, select, textarea") && !target.matches("[type=button]");

  addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) {
      return;
    }
    if (isTyping(event)) {
      if (event.key === "Escape") {
        event.target.blur();
        if (event.target.id === "search") leave();
      }
      return;
    }
    const command = DIRECTIONS[event.key]
      ? () => move(DIRECTIONS[event.key])
      : COMMANDS[event.key];
    if (!command) return;
    event.preventDefault();
    command();
  });

  help.append(
    el("h2", {}, "Keys"),
    el("dl", {}, TOLD.map(([keys, what]) => el("div", {}, el("dt", {}, keys), el("dd", {}, what)))),
    el(
      "p",
      { class: "buttons" },
      el("button", { type: "button", class: "primary", click: () => help.close() }, "Close"),
    ),
  );

  treePage.byId("help-button").addEventListener("click", () => help.showModal());
  treePage.byId("names-button").addEventListener("click", () => treePage.names.open());
  store.onChange(() => {
    const names = treePage.byId("names-button");
    names.textContent = store.names.length ? `Names ${store.names.length}` : "Names";
  });
  return { focus };
})();
