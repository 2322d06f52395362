"use strict";

// Sets of images as sorted runs [start, end) of positions that neither touch nor overlap. All
// images of a node are one run: a selection of a million images is as small as one of a node.
treePage.ranges = (() => {
  const add = (ranges, start, end) => {
    const before = ranges.filter((run) => run[1] < start);
    const after = ranges.filter((run) => run[0] > end);
    const touched = ranges.filter((run) => run[1] >= start && run[0] <= end);
    const first = Math.min(start, ...touched.map((run) => run[0]));
    const last = Math.max(end, ...touched.map((run) => run[1]));
    return [...before, [first, last], ...after];
  };

  const remove = (ranges, start, end) =>
    ranges.flatMap(([first, last]) =>
      [
        [first, Math.min(last, start)],
        [Math.max(first, end), last],
      ].filter((run) => run[0] < run[1]),
    );

  const union = (ranges, others) => others.reduce((all, run) => add(all, run[0], run[1]), ranges);

  const size = (ranges) => ranges.reduce((total, run) => total + run[1] - run[0], 0);

  // How many of the positions [start, end) are in the set.
  const within = (ranges, start, end) =>
    ranges.reduce(
      (total, run) => total + Math.max(0, Math.min(run[1], end) - Math.max(run[0], start)),
      0,
    );

  const covers = (ranges, start, end) => ranges.some((run) => run[0] <= start && end <= run[1]);

  // Whether something is such a set, below a limit: for files from elsewhere.
  const valid = (ranges, limit) =>
    Array.isArray(ranges) &&
    ranges.every(
      (run, place) =>
        Array.isArray(run) &&
        run.length === 2 &&
        run.every(Number.isInteger) &&
        run[0] < run[1] &&
        run[0] >= (place ? ranges[place - 1][1] + 1 : 0) &&
        run[1] <= limit,
    );

  return { add, remove, union, size, within, covers, valid };
})();
