"use strict";

treePage.layout = (() => {
  // The worst ratio of sides in a row of areas that is laid along a side.
  const worst = (row, total, side) => {
    const largest = Math.max(...row);
    const smallest = Math.min(...row);
    return Math.max((side * side * largest) / (total * total),
      (total * total) / (side * side * smallest));
  };

  // Rectangles {x, y, width, height} whose areas are in proportion to the values, which are sorted
  // from the largest, as near to squares as rows allow (Bruls, Huizing and van Wijk 2000).
  const squarify = (values, width, height) => {
    const sum = values.reduce((total, value) => total + value, 0);
    const areas = values.map((value) => (value * width * height) / sum);
    const free = { x: 0, y: 0, width, height };
    const placed = [];
    let next = 0;
    while (next < areas.length) {
      const side = Math.min(free.width, free.height);
      const row = [areas[next]];
      let total = areas[next];
      let ratio = worst(row, total, side);
      for (next += 1; next < areas.length; next += 1) {
        const longer = worst([...row, areas[next]], total + areas[next], side);
        if (longer > ratio) break;
        row.push(areas[next]);
        total += areas[next];
        ratio = longer;
      }
      placed.push(...place(row, total, free));
    }
    return placed;
  };

  // Lay a row along the shorter side of what is free, and take its room away.
  const place = (row, total, free) => {
    const upright = free.width >= free.height;
    const depth = total / (upright ? free.height : free.width);
    let offset = 0;
    const cells = row.map((area) => {
      const length = area / depth;
      const cell = upright
        ? { x: free.x, y: free.y + offset, width: depth, height: length }
        : { x: free.x + offset, y: free.y, width: length, height: depth };
      offset += length;
      return cell;
    });
    if (upright) {
      free.x += depth;
      free.width -= depth;
    } else {
      free.y += depth;
      free.height -= depth;
    }
    return cells;
  };

  // Columns and rows of near-square tiles that fill a rectangle: about as large as wished, and no
  // more than there are pictures for.
  const mosaic = (width, height, available, wished) => {
    const side = Math.max(wished, Math.sqrt((width * height) / available));
    let columns = Math.max(1, Math.round(width / side));
    let rows = Math.max(1, Math.round(height / side));
    while (columns * rows > available) {
      if (rows === 1 || (columns > 1 && width / columns < height / rows)) columns -= 1;
      else rows -= 1;
    }
    return { columns, rows };
  };

  // So many of a list, evenly spread over it.
  const spread = (list, number) =>
    Array.from({ length: number }, (_, i) => list[Math.floor(((i + 0.5) * list.length) / number)]);

  // The rectangle that lies next in a direction, [dx, dy] of −1, 0, 1; or the one itself.
  const neighbour = (rectangles, from, [dx, dy]) => {
    const middle = (r) => [r.x + r.width / 2, r.y + r.height / 2];
    const [x, y] = middle(rectangles[from]);
    let best = from;
    let nearest = Infinity;
    rectangles.forEach((rectangle, number) => {
      const [a, b] = middle(rectangle);
      const along = (a - x) * dx + (b - y) * dy;
      const aside = Math.abs((a - x) * dy) + Math.abs((b - y) * dx);
      const distance = along + 2 * aside;
      if (number !== from && along > 0.5 && distance < nearest) {
        best = number;
        nearest = distance;
      }
    });
    return best;
  };

  return { squarify, mosaic, spread, neighbour };
})();
