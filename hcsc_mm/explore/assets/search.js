"use strict";

// Search by file name, anywhere in the path, and by the names of nodes. Names lie in sorted chunks:
// those in which names begin as typed come first, then all others, one after the other, with a bar.
treePage.search = (() => {
  const { el, format, tiles } = treePage;
  const KEPT = 1000;
  const PER_PAGE = 60;
  const SHORTEST = 2;

  // The chunks in the order in which they are searched.
  const plan = ({ bounds }, query) => {
    const key = (name) => name.slice(0, query.length);
    const likely = bounds.map(([first, last]) => key(first) <= query && query <= key(last));
    const all = bounds.map((_, number) => number);
    return [...all.filter((n) => likely[n]), ...all.filter((n) => !likely[n])];
  };

  // Positions and paths in a chunk that hold every word.
  const inChunk = ({ paths, positions }, words) => {
    const lower = paths.toLowerCase();
    if (!words.every((word) => lower.includes(word))) return [];
    const original = paths.split("\0");
    return lower.split("\0").flatMap((path, at) =>
      words.every((word) => path.includes(word))
        ? [{ position: positions[at], path: original[at] }]
        : [],
    );
  };

  // Names that begin as typed come before those that hold it.
  const sorted = (found, words) => {
    const begins = ({ path }) => format.fileName(path).toLowerCase().startsWith(words[0]);
    return [...found.filter(begins), ...found.filter((one) => !begins(one))];
  };

  // Nodes whose name, id, or name that the user gave holds every word, the largest first.
  const inNodes = async (words) => {
    const nodes = await treePage.data.load("names/nodes");
    const found = [];
    nodes.ids.forEach((id, at) => {
      const [start, count] = [nodes.starts[at], nodes.counts[at]];
      const given = treePage.store.namesOf(start, start + count);
      const text = [id, nodes.names[at], ...given].join("\n").toLowerCase();
      if (words.every((word) => text.includes(word))) {
        found.push({ id, name: nodes.names[at], start, count, trail: trailOf(nodes, at) });
      }
    });
    return found.sort((a, b) => b.count - a.count);
  };

  const trailOf = (nodes, at) =>
    at < 0 ? [] : [...trailOf(nodes, nodes.parents[at]), nodes.ids[at]];

  const nodeList = (found) =>
    found.length
      ? el(
          "p",
          { class: "found-nodes" },
          found.slice(0, 24).map((node) =>
            el(
              "button",
              {
                type: "button",
                click: () => treePage.go({ trail: node.trail, query: "", image: null, page: 0 }),
              },
              el("span", { class: "data" }, format.node(node)),
              el("small", {}, format.count(node.count)),
            ),
          ),
          found.length > 24 ? el("small", {}, `and ${format.count(found.length - 24)} more`) : null,
        )
      : null;

  const selectAll = (found) =>
    el(
      "button",
      {
        type: "button",
        click: () =>
          treePage.store.select(
            treePage.ranges.union(
              treePage.store.selection,
              found.map(({ position }) => [position, position + 1]),
            ),
          ),
      },
      `Select ${format.count(found.length)}`,
    );

  const results = (found, page, turn) => {
    const part = found.slice(page * PER_PAGE, (page + 1) * PER_PAGE);
    return [
      el(
        "div",
        { class: "head" },
        selectAll(found),
        treePage.grid.sizes(),
        treePage.grid.pager(page, Math.ceil(found.length / PER_PAGE), turn),
      ),
      el(
        "div",
        { class: "grid captions", role: "group", "aria-label": "Images found" },
        part.map(({ position, path }, place) =>
          tiles.tile(position, {
            facts: { path, group: -1 },
            caption: format.fileName(path),
            first: place === 0,
          }),
        ),
      ),
    ];
  };

  const show = async (stage, query, current) => {
    const words = query.toLowerCase().split(/\s+/).filter(Boolean);
    const bar = el("progress", { max: 1, value: 0, "aria-label": "Searched so far" });
    const said = el("p", { class: "found", role: "status" });
    const nodes = el("div", {});
    const images = el("div", {});
    treePage.fill(stage, el("div", { class: "results" }, said, bar, nodes, images));
    if (words.join("").length < SHORTEST) {
      said.textContent = `Type ${SHORTEST} characters or more.`;
      bar.remove();
      return;
    }
    let found = [];
    let total = 0;
    let page = 0;
    const fill = () => treePage.fill(images, found.length ? results(found, page, turn) : null);
    const turn = (to) => {
      page = to;
      fill();
    };
    treePage.fill(nodes, nodeList(await inNodes(words)));
    const index = await treePage.data.load("names/index");
    const chunks = plan(index, words[0]);
    for (let done = 0; done < chunks.length; done += 1) {
      const chunk = await treePage.data.pass(`names/${chunks[done]}`);
      if (!current()) return;
      const here = inChunk(chunk, words);
      total += here.length;
      const room = found.length < PER_PAGE;
      found = [...found, ...here.slice(0, KEPT - found.length)];
      bar.value = (done + 1) / chunks.length;
      said.textContent = `${format.count(total, "image")} so far`;
      if (room && here.length) fill(); // the first page is there as soon as it can be
    }
    bar.remove();
    found = sorted(found, words);
    fill();
    said.textContent =
      total > found.length
        ? `${format.count(total, "image")}; the first ${format.count(found.length)} are shown`
        : format.count(total, "image");
  };

  return { show, plan, inChunk };
})();
