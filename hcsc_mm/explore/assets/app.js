"use strict";

// Where the reader is. It stands in the address, so that back, forward and bookmarks work.
(() => {
  const { el, byId, format, store, summary } = treePage;
  const START = { trail: [], show: "tree", page: 0, order: "near", image: null, query: "" };
  const THEMES = { auto: "◐", light: "☀", dark: "☾" };
  const stage = byId("stage");
  const card = byId("card");
  let turn = 0; // of rendering: what comes late for an older one is dropped
  let drawn = ""; // what the stage shows

  const number = (text, least) =>
    /^\d{1,9}$/.test(text) && Number(text) >= least ? Number(text) : null;

  const parse = (hash) => {
    const [path, query = ""] = hash.replace(/^#/, "").split("?");
    const parameters = new URLSearchParams(query);
    const show = parameters.get("show");
    const image = number(parameters.get("image"), 0);
    return {
      trail: path.split("/").filter(Boolean),
      show: ["images", "outside"].includes(show) ? show : "tree",
      page: (number(parameters.get("page"), 1) ?? 1) - 1,
      order: parameters.get("order") === "far" ? "far" : "near",
      image: image !== null && image < summary.numImages ? image : null,
      query: parameters.get("q") || "",
    };
  };

  const address = (state) => {
    const parameters = new URLSearchParams();
    if (state.show !== "tree") parameters.set("show", state.show);
    if (state.page > 0) parameters.set("page", state.page + 1);
    if (state.order !== "near") parameters.set("order", state.order);
    if (state.image !== null) parameters.set("image", state.image);
    if (state.query) parameters.set("q", state.query);
    const query = parameters.toString();
    return `#${state.trail.join("/")}${query ? `?${query}` : ""}`;
  };

  const crumbs = (node) => {
    const steps = [[null, summary.title], ...(node.trail || [])];
    byId("trail").replaceChildren(
      ...steps.map(([id, name], depth) =>
        el(
          "a",
          {
            href: address({ ...START, trail: treePage.state.trail.slice(0, depth) }),
            class: "data",
            "aria-current": depth === steps.length - 1 ? "page" : null,
          },
          name || id,
        ),
      ),
    );
    byId("trail").scrollLeft = byId("trail").scrollWidth;
    document.title = format.node(node);
  };

  // Draw the stage; the element that takes the focus.
  const drawStage = async (node, state, current, cameFrom) => {
    if (state.show === "outside") {
      const start = summary.numPlaced;
      return treePage.grid.show(
        stage, { start, count: summary.numImages - start }, state, current);
    }
    if (node.children && state.show === "tree") {
      return treePage.treemap.show(stage, node, cameFrom);
    }
    return treePage.grid.show(stage, { ...node, ordered: !node.children }, state, current);
  };

  const render = async (before) => {
    const mine = (turn += 1);
    const current = () => mine === turn;
    const { state } = treePage;
    treePage.tip.hide();
    const slow = setTimeout(() => (byId("loading").hidden = false), 150);
    try {
      if (state.query) {
        drawn = "";
        treePage.treemap.clear();
        if (before?.query !== state.query) {
          treePage.search.show(stage, state.query, () => treePage.state.query === state.query)
            .catch(fail);
        }
      }
      const node = await treePage.data.node(state.trail);
      if (!current()) return;
      crumbs(node);
      if (!state.query) await renderNode(node, state, current, before);
      if (!current()) return;
      if (state.image === null) treePage.card.showNode(card, node);
      else await treePage.card.showImage(card, state.image, current);
      markOpen(state.image);
    } catch (error) {
      fail(error);
    } finally {
      clearTimeout(slow);
      if (current()) byId("loading").hidden = true;
    }
  };

  const fail = (error) => treePage.say(`This cannot be shown: ${error.message}`, { error: true });

  const renderNode = async (node, state, current, before) => {
    const wanted = address({ ...state, image: null });
    if (wanted === drawn) return;
    const cameFrom = before && before.trail.length > state.trail.length
      ? before.trail[state.trail.length]
      : null;
    const target = await drawStage(node, state, current, cameFrom);
    if (!current()) return;
    if (stage.querySelector(".grid")) treePage.treemap.clear();
    drawn = wanted;
    stage.scrollTop = 0;
    stage.classList.toggle("flat", !stage.querySelector(".treemap"));
    if (target && before) treePage.keys.focus(target);
  };

  const markOpen = (image) => {
    stage.querySelectorAll(".tile.current").forEach((one) => one.classList.remove("current"));
    stage.querySelector(`.tile[data-position="${image}"]`)?.classList.add("current");
  };

  treePage.go = (changes) => {
    const state = { ...treePage.state, ...changes };
    if ("trail" in changes && !("query" in changes)) state.query = "";
    if ("trail" in changes && !("show" in changes)) state.show = "tree";
    const to = address(state);
    if (to === address(treePage.state)) return Promise.resolve();
    history.pushState(null, "", to);
    return follow();
  };

  treePage.up = () => {
    const { trail, show, query } = treePage.state;
    if (query) return treePage.go({ query: "" });
    if (show !== "tree") return treePage.go({ show: "tree", page: 0, image: null });
    return treePage.go({ trail: trail.slice(0, -1), page: 0, image: null });
  };

  const follow = () => {
    const before = treePage.state;
    treePage.state = parse(location.hash);
    if (document.activeElement !== byId("search")) byId("search").value = treePage.state.query;
    return render(before);
  };

  const useTheme = (theme) => {
    byId("theme").textContent = THEMES[theme];
    if (theme === "auto") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = theme;
  };

  const nextTheme = () => {
    const all = Object.keys(THEMES);
    const theme = all[(all.indexOf(store.look.theme ?? "auto") + 1) % all.length];
    store.setLook("theme", theme);
    useTheme(theme);
  };

  let typing = 0;
  byId("search").addEventListener("input", (event) => {
    clearTimeout(typing);
    const query = event.target.value.trim();
    typing = setTimeout(() => treePage.go({ query, image: null }), 250);
  });
  byId("theme").addEventListener("click", nextTheme);
  byId("selecting").addEventListener("click", (event) => {
    const on = document.body.classList.toggle("selecting");
    event.currentTarget.setAttribute("aria-pressed", on);
  });
  byId("skip").addEventListener("click", (event) => {
    event.preventDefault();
    stage.focus();
  });
  addEventListener("popstate", follow);
  addEventListener("hashchange", () => location.hash !== address(treePage.state) && follow());

  useTheme(THEMES[store.look.theme] ? store.look.theme : "auto");
  treePage.state = parse(location.hash);
  render(null);
})();
