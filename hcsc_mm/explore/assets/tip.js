"use strict";

// What a node looks like, or what an image is called, beside the pointer or the focus.
treePage.tip = (() => {
  const { el, format } = treePage;
  const MARGIN = 12;
  const tip = treePage.byId("tip");
  let timer = 0;

  const hide = () => {
    clearTimeout(timer);
    tip.hidden = true;
  };

  // Beside a rectangle of the window, on the side that has room.
  const show = (near, delay, ...content) => {
    clearTimeout(timer);
    timer = setTimeout(() => {
      treePage.fill(tip, content);
      tip.hidden = false;
      const { width, height } = tip.getBoundingClientRect();
      const right = near.right + MARGIN + width < innerWidth;
      const x = right ? near.right + MARGIN : near.left - MARGIN - width;
      const y = Math.min(near.top, innerHeight - height - MARGIN);
      tip.style.left = `${Math.max(MARGIN, Math.min(x, innerWidth - width - MARGIN))}px`;
      tip.style.top = `${Math.max(MARGIN, y)}px`;
    }, delay);
  };

  const node = (child, view, near, delay) =>
    show(
      near,
      delay,
      el("strong", { class: "data" }, format.node(child)),
      el("p", { class: "muted" }, nodeFacts(child)),
      el(
        "div",
        { class: "faces" },
        treePage.layout
          .spread(child.faces, Math.min(12, child.faces.length))
          .map((position) => treePage.thumbs.picture(position, view)),
      ),
    );

  const nodeFacts = (child) =>
    [
      format.count(child.count, "image"),
      format.share(child.count / treePage.summary.numImages),
      child.compactness === null ? null : `compactness ${format.decimal(child.compactness)}`,
      child.purity === null ? null : `purity ${format.share(child.purity)}`,
    ]
      .filter(Boolean)
      .join(" · ");

  const image = (position, near) =>
    treePage.data.image(position).then((facts) =>
      show(
        near,
        250,
        el("strong", { class: "data" }, format.fileName(facts.path)),
        facts.label === null ? null : el("p", { class: "data" }, facts.label),
        facts.unreadable ? el("p", { class: "bad data" }, facts.unreadable) : null,
      ),
    ).catch(() => hide());

  addEventListener("scroll", hide, { passive: true, capture: true });
  return { node, image, hide, nodeFacts };
})();
