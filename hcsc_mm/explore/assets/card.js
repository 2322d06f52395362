"use strict";

// What is known of a node, and of an image.
treePage.card = (() => {
  const { el, format, store, tiles } = treePage;
  const LABELS = 15;

  const section = (title, note, ...content) =>
    el(
      "section",
      {},
      el("h3", {}, title, note ? el("small", {}, note) : null),
      ...content,
    );

  const facts = (pairs) =>
    el(
      "dl",
      {},
      pairs
        .filter(([, value]) => value !== null)
        .map(([name, value, why]) =>
          el("div", { title: why }, el("dt", {}, name), el("dd", { class: "data" }, value)),
        ),
    );

  const button = (content, click, attributes = {}) =>
    el("button", { type: "button", click, ...attributes }, content);

  const selectButton = (start, end) => {
    const text = () => (store.selected(start, end) === "all" ? "Deselect" : "Select");
    return button(text(), (event) => {
      store.toggle(start, end);
      event.currentTarget.textContent = text();
    }, { class: "primary" });
  };

  const given = (start, end) =>
    el(
      "p",
      { class: "names" },
      store.namesOf(start, end).map((name) => el("span", { class: "given data" }, name)),
    );

  const images = (title, note, positions, view) =>
    positions.length ? section(title, note, tiles.group(positions, { view }, title)) : null;

  const goTo = (trail) => treePage.go({ trail: trail.map(([id]) => id), page: 0, image: null,
    query: "", show: "tree" });

  const siblings = (list, view) =>
    list.length
      ? section(
          "Nearest siblings",
          null,
          el(
            "div",
            { class: "siblings" },
            list.map((one) =>
              button(
                [
                  treePage.thumbs.picture(one.face, view),
                  el("span", { class: "data" }, format.node(one)),
                  el("span", { class: "muted" }, format.count(one.count)),
                ],
                () => goTo(one.trail),
                { class: "sibling" },
              ),
            ),
          ),
        )
      : null;

  const groups = (node, view) =>
    node.numGroups
      ? section(
          "Near-duplicates",
          format.count(node.numGroups, "group"),
          el(
            "div",
            { class: "twins" },
            node.groups.map((group) => tiles.group(group, { view }, "Near-duplicates")),
          ),
        )
      : null;

  const bar = (name, count, whole) => {
    const fill = el("i", {});
    fill.style.width = whole ? `${(100 * count) / whole}%` : "0";
    return el(
      "li",
      {},
      el("span", { class: "data", title: name }, name),
      el("span", { class: whole ? "track" : "" }, fill),
      el("span", { class: "muted" }, format.count(count)),
    );
  };

  const histogram = (node) => {
    if (!node.labels.length) return null;
    const shown = node.labels.slice(0, LABELS);
    const rest = shown.reduce((left, [, count]) => left - count, node.labelled);
    const most = shown[0][1];
    return section(
      "Labels",
      node.labelled < node.count ? `of ${format.count(node.labelled, "image")}` : null,
      el(
        "ul",
        { class: "bars" },
        shown.map(([name, count]) => bar(name, count, most)),
        rest > 0 ? bar("others", rest, null) : null,
      ),
    );
  };

  const outside = () => {
    const { numImages, numPlaced, numUnreadable } = treePage.summary;
    if (!numUnreadable) return null;
    const number = numImages - numPlaced;
    return el(
      "p",
      { class: "muted" },
      `${format.count(numUnreadable, "image")} could not be read. `,
      number
        ? button("Show those outside the tree", () =>
            treePage.go({ trail: [], show: "outside", page: 0, image: null }), { class: "link" })
        : null,
    );
  };

  const childFacts = (node) =>
    node.children
      ? `${format.count(node.children.length)}${node.empty ? ` and ${node.empty} empty` : ""}`
      : null;

  const showNode = (card, node) => {
    const end = node.start + node.count;
    const view = node.children ? node : null;
    const asImages = treePage.state.show !== "tree";
    const isRoot = node.id === treePage.summary.root;
    treePage.fill(card, [
      el("h2", { class: "data" }, format.node(node)),
      isRoot || !node.name ? null : el("p", { class: "muted mono" }, node.id),
      given(node.start, end),
      facts([
        ["Images", format.count(node.count)],
        ["Share", format.share(node.share), "of all images"],
        ["Compactness", node.compactness === null ? null : format.decimal(node.compactness),
          "mean cosine of the images to their mean direction"],
        ["Purity", node.purity === null ? null : format.share(node.purity),
          "share of the most frequent label"],
        ["Prototypes below", childFacts(node)],
      ]),
      isRoot ? outside() : null,
      el(
        "p",
        { class: "buttons" },
        selectButton(node.start, end),
        view
          ? button(asImages ? "As a tree" : "As images", () =>
              treePage.go({ show: asImages ? "tree" : "images", page: 0 }))
          : null,
      ),
      images("Representatives", null, node.representatives, view),
      images("Edge cases", "nearly of another prototype", node.edges, view),
      images("Outliers", "farthest from the prototype", node.outliers, view),
      groups(node, view),
      siblings(node.siblings, view),
      histogram(node),
    ]);
    card.classList.remove("of-image");
    card.scrollTop = 0;
  };

  const original = (path) => {
    const { originals } = treePage.summary;
    if (originals === null || path.startsWith("/")) return null;
    const address = [originals, ...path.split("/").map(encodeURIComponent)].join("/");
    return el("a", { href: address, target: "_blank", rel: "noreferrer" }, "Open the file");
  };

  const trailLinks = (leaf) =>
    el(
      "p",
      { class: "path" },
      leaf.trail.map(([id, name], depth) =>
        button(name || id, () => goTo(leaf.trail.slice(0, depth + 1)), { class: "link data" }),
      ),
    );

  const showInTree = (image) => {
    const { perPage } = treePage.summary;
    treePage.go({
      trail: image.leaf.trail.map(([id]) => id),
      page: Math.floor((image.position - image.leaf.start) / perPage),
      order: "near",
      query: "",
      show: "tree",
    });
  };

  const showImage = async (card, position, current) => {
    const image = await treePage.data.image(position);
    if (!current()) return;
    const near = image.similar.map(([other, cosine]) =>
      tiles.tile(other, { note: cosine === null ? "" : cosine.toFixed(2) }),
    );
    treePage.fill(card, [
      button("×", () => treePage.go({ image: null }), {
        class: "icon close", "aria-label": "Close",
      }),
      el("div", { class: "large" }, treePage.thumbs.picture(position)),
      el("h2", { class: "data" }, format.fileName(image.path)),
      el("p", { class: "muted data" }, image.path),
      image.unreadable ? el("p", { class: "bad data" }, image.unreadable) : null,
      given(position, position + 1),
      el(
        "p",
        { class: "buttons" },
        selectButton(position, position + 1),
        image.leaf ? button("Show in the tree", () => showInTree(image)) : null,
        original(image.path),
      ),
      images("Near-duplicates", format.count(image.twins.length), image.twins),
      near.length
        ? section("Most similar", "cosine",
            el("div", { class: "tiles similar", role: "group" }, near))
        : null,
      section("Facts", null, facts([
        ["Label", image.label],
        ["Distance", format.decimal(image.distance), "from its prototype"],
        ["Margin", format.decimal(image.margin), "to the second nearest prototype"],
        ["Outlier score", format.decimal(image.outlier), "0 to 1"],
        ["Row", format.count(image.row), "of images.parquet, from 0"],
      ])),
      image.leaf
        ? section("Where it lies", null, trailLinks(image.leaf))
        : el("p", { class: "muted" }, "Not in the tree."),
    ]);
    card.classList.add("of-image");
    card.scrollTop = 0;
  };

  return { showNode, showImage, showInTree };
})();
