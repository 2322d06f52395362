"use strict";

// The children of a node as cells whose areas are their numbers of images, filled with pictures.
treePage.treemap = (() => {
  const { el, format, store, layout, thumbs } = treePage;
  const GAP = 3;
  const SMALLEST_TILE = 40;
  const LARGEST_TILE = 112;
  const ZOOM_MS = 220;
  // One for all treemaps: a browser keeps the pixels of those that it has not collected yet.
  const canvas = el("canvas", { "aria-hidden": "true" });
  let shown = null; // {view, cells, element, observer, rectangles}

  const button = (child, view, place) => {
    const facts = treePage.tip.nodeFacts(child);
    const open = el("button", {
      class: "open",
      type: "button",
      tabindex: place ? -1 : 0,
      "aria-label": `${format.node(child)}, ${facts}`,
      click: (event) =>
        treePage.tiles.isSelecting(event)
          ? store.toggle(child.start, child.start + child.count)
          : treePage.go({ trail: [...treePage.state.trail, child.id], page: 0, image: null }),
      pointermove: (event) =>
        event.pointerType === "mouse" && treePage.tip.node(child, view, around(event), 80),
      pointerleave: treePage.tip.hide,
      focus: () =>
        open.matches(":focus-visible") &&
        treePage.tip.node(child, view, open.getBoundingClientRect(), 80),
      blur: treePage.tip.hide,
    });
    return open;
  };

  const around = ({ clientX, clientY }) => ({ left: clientX, right: clientX, top: clientY });

  const cell = (child, view, place) => {
    const element = el(
      "div",
      { class: "cell", "data-id": child.id },
      button(child, view, place),
      el("span", { class: "tag" }),
    );
    const mine = treePage.tiles.corner(child.start, child.start + child.count, format.node(child));
    element.append(mine);
    treePage.tiles.mark(mine);
    return element;
  };

  // Names that the user gave, its own, bold where most images have that label, and its size.
  const label = (child, width) => {
    const names = store.namesOf(child.start, child.start + child.count);
    return [
      names.length ? el("b", { class: "given data" }, names.join(", ")) : null,
      child.name && width > 70
        ? el("b", { class: child.purity < 0.5 ? "data mixed" : "data" }, child.name)
        : null,
      el("span", {}, format.count(child.count)),
    ];
  };

  const arrange = () => {
    const { view, cells, element } = shown;
    const { width, height } = element.getBoundingClientRect();
    if (!width || !height) return;
    const scale = Math.min(devicePixelRatio || 1, 2);
    resize(Math.round(width * scale), Math.round(height * scale));
    shown.rectangles = layout.squarify(
      view.children.map((child) => child.count),
      width,
      height,
    );
    cells.forEach((one, place) => {
      const rectangle = shown.rectangles[place];
      for (const side of ["width", "height"]) one.style[side] = `${rectangle[side]}px`;
      one.style.left = `${rectangle.x}px`;
      one.style.top = `${rectangle.y}px`;
      one.classList.toggle("small", rectangle.width < 44 || rectangle.height < 30);
      one.querySelector(".tag").replaceChildren(...label(view.children[place], rectangle.width)
        .filter(Boolean));
    });
    draw(scale, width * height);
  };

  // Pixels of a canvas that changes its size are not given back soon: it changes only if it must.
  const resize = (width, height) => {
    if (canvas.width !== width) canvas.width = width;
    if (canvas.height !== height) canvas.height = height;
  };

  const draw = async (scale, area) => {
    const { view, rectangles } = shown;
    const sprite = await thumbs.open(`page/data/nodes/${view.id}.jpg`);
    if (!shown || shown.rectangles !== rectangles) return;
    const context = canvas.getContext("2d");
    context.setTransform(scale, 0, 0, scale, 0, 0);
    context.clearRect(0, 0, canvas.width, canvas.height);
    const faces = view.children.reduce((total, child) => total + child.faces.length, 0);
    const wished = Math.max(
      SMALLEST_TILE,
      Math.min(LARGEST_TILE, Math.sqrt(area / Math.max(faces, 1))),
    );
    view.children.forEach((child, place) => {
      if (child.faces.length) fill(context, sprite, view, child, rectangles[place], wished);
    });
    performance.mark("drawn");
  };

  // A cell full of pictures, with round corners.
  const fill = (context, sprite, view, child, rectangle, wished) => {
    const inset = Math.min(GAP / 2, rectangle.width / 8, rectangle.height / 8);
    const [left, top] = [rectangle.x + inset, rectangle.y + inset];
    const width = rectangle.width - 2 * inset;
    const height = rectangle.height - 2 * inset;
    const { columns, rows } = layout.mosaic(width, height, child.faces.length, wished);
    context.save();
    context.beginPath();
    context.roundRect(left, top, width, height, Math.min(5, width / 4, height / 4));
    context.clip();
    layout.spread(child.faces, columns * rows).forEach((position, number) => {
      const across = number % columns;
      const down = Math.floor(number / columns);
      thumbs.paint(context, sprite, thumbs.where(position, view), {
        x: left + (across * width) / columns,
        y: top + (down * height) / rows,
        width: width / columns + 0.5,
        height: height / rows + 0.5,
      });
    });
    context.restore();
  };

  // Grow out of the cell that was opened, or draw back from the one that was left: a little only,
  // since what is magnified much takes a browser hundreds of megabytes.
  const zoom = (element, cell, into) => {
    const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
    if (calm || !cell || !element.animate) return;
    const { width, height } = element.getBoundingClientRect();
    const transform = into
      ? `translate(${cell.x}px, ${cell.y}px) scale(${cell.width / width}, ${cell.height / height})`
      : "scale(1.2)";
    const middle = `${cell.x + cell.width / 2}px ${cell.y + cell.height / 2}px`;
    const transformOrigin = into ? "0 0" : middle;
    element.animate(
      [
        { transform, transformOrigin, opacity: 0.4 },
        { transform: "none", transformOrigin, opacity: 1 },
      ],
      { duration: ZOOM_MS, easing: "cubic-bezier(.2, .7, .2, 1)" },
    );
  };

  // The rectangle of a child on the treemap that is shown.
  const rectangleOf = (id) => {
    const place = shown ? shown.view.children.findIndex((child) => child.id === id) : -1;
    return place < 0 || !shown.rectangles ? null : shown.rectangles[place];
  };

  const clear = () => {
    if (shown) shown.observer.disconnect();
    shown = null;
  };

  const show = (stage, view, cameFrom) => {
    const opened = rectangleOf(view.id);
    clear();
    const cells = view.children.map((child, place) => cell(child, view, place));
    const element = el("div", { class: "treemap" }, canvas, cells);
    treePage.fill(stage, element);
    shown = { view, cells, element };
    shown.observer = new ResizeObserver(arrange);
    shown.observer.observe(element);
    arrange();
    if (opened) zoom(element, opened, true);
    else if (cameFrom) zoom(element, rectangleOf(cameFrom), false);
    return cells.find((one) => one.dataset.id === cameFrom) || cells[0];
  };

  // The cell that lies next to one, in a direction.
  const next = (current, direction) =>
    shown.cells[layout.neighbour(shown.rectangles, shown.cells.indexOf(current), direction)];

  store.onChange(() => shown && arrange());
  return { show, clear, next };
})();
