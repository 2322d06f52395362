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
    if (files.size > KEPT) files.delete(files.keys().next().value);
    return promise;
  };

  const decoded = async (address) => {
    const image = new Image();
    image.src = address;
    await image.decode().catch(() => {
      throw new Error(`${address} is missing or damaged`);
    });
    return image;
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

  // A canvas that shows an image; it fills when the file is there.
  const picture = (position, view) => {
    const { thumbnail } = treePage.summary;
    const canvas = treePage.el("canvas", { width: thumbnail, height: thumbnail });
    const place = where(position, view);
    open(place.address).then(
      (image) =>
        paint(canvas.getContext("2d"), image, place, {
          x: 0,
          y: 0,
          width: thumbnail,
          height: thumbnail,
        }),
      (error) => treePage.say(error.message, { error: true }),
    );
    return canvas;
  };

  return { open, where, paint, picture };
})();
