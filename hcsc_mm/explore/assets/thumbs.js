"use strict";

// Thumbnails, cut out of sheets and sprites of many. They are drawn on small canvases, so that no
// more than a few of the decoded files are in memory, whatever is on the screen.
treePage.thumbs = (() => {
  const KEPT = 8;
  const files = new Map(); // address → promise of an image, the latest last

  const open = (address) => {
    const known = files.get(address);
    files.delete(address);
    const promise = known || decoded(address);
    files.set(address, promise);
    promise.catch(() => files.delete(address));
    if (files.size > KEPT) drop(files.keys().next().value);
    return promise;
  };

  // Its pixels go now, not when it is collected; whoever waits for it has drawn it by then.
  const drop = (address) => {
    files.get(address).then((bitmap) => setTimeout(() => bitmap.close(), 1000), () => {});
    files.delete(address);
  };

  const decoded = async (address) => {
    const image = new Image();
    image.src = address;
    try {
      await new Promise((resolve, reject) => {
        image.onload = resolve;
        image.onerror = reject;
      });
      return await createImageBitmap(image);
    } catch {
      throw new Error(`${address} is missing or damaged`);
    }
  };

  // Which file holds the thumbnail of a position, and where. A view's sprite is preferred.
  const where = (position, view) => {
    const { sheet, columns, thumbnail } = treePage.summary;
    const place = view && view.places ? view.places.get(position) : undefined;
    const inside = place === undefined ? position % sheet : place;
    return {
      address:
        place === undefined
          ? `page/data/sheets/${Math.floor(position / sheet)}.jpg`
          : `page/data/nodes/${view.id}.jpg`,
      x: (inside % columns) * thumbnail,
      y: Math.floor(inside / columns) * thumbnail,
    };
  };

  // Draw a thumbnail so that it covers a rectangle of a canvas.
  const paint = (context, image, place, { x, y, width, height }) => {
    const { thumbnail } = treePage.summary;
    const scale = Math.max(width, height);
    const across = (thumbnail * width) / scale;
    const down = (thumbnail * height) / scale;
    context.drawImage(
      image,
      place.x + (thumbnail - across) / 2,
      place.y + (thumbnail - down) / 2,
      across,
      down,
      x,
      y,
      width,
      height,
    );
  };

  // Canvases that are no longer shown are used again: Chromium keeps 8 kB of each that ever was.
  const unused = [];
  const wanted = new WeakMap(); // canvas → what it is to show

  const giveBack = (canvas) => {
    wanted.delete(canvas);
    canvas.remove();
    unused.push(canvas);
  };

  // A canvas that shows an image; it fills when the file is there.
  const picture = (position, view) => {
    const { thumbnail: size } = treePage.summary;
    const canvas =
      unused.pop() || treePage.el("canvas", { class: "picture", width: size, height: size });
    const place = where(position, view);
    const whole = { x: 0, y: 0, width: size, height: size };
    canvas.getContext("2d").clearRect(0, 0, size, size);
    wanted.set(canvas, place);
    open(place.address).then(
      (image) =>
        wanted.get(canvas) === place && paint(canvas.getContext("2d"), image, place, whole),
      (error) => treePage.say(error.message, { error: true }),
    );
    return canvas;
  };

  // When all files that were asked for lately are there.
  const settled = () => Promise.allSettled([...files.values()]);

  return { open, where, paint, picture, giveBack, settled };
})();
