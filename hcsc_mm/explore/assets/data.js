"use strict";

// Data come as scripts that call treePage.deliver: a page that is opened by double click may load
// scripts beside it, but not fetch files. Only the latest are kept.
treePage.data = (() => {
  const KEPT = 24;
  const arrived = new Map(); // key → data, until whoever asked has it
  const kept = new Map(); // key → promise, the latest last

  treePage.deliver = (key, data) => {
    if (key === "summary") treePage.summary = data;
    else arrived.set(key, data);
  };

  // Load a shard without keeping it.
  const pass = (key) =>
    new Promise((resolve, reject) => {
      const script = document.createElement("script");
      script.src = `page/data/${key}.js`;
      script.onload = () => {
        script.remove();
        const data = arrived.get(key);
        arrived.delete(key);
        if (data === undefined) reject(new Error(`page/data/${key}.js is damaged`));
        else resolve(data);
      };
      script.onerror = () => {
        script.remove();
        reject(new Error(`page/data/${key}.js is missing`));
      };
      document.head.append(script);
    });

  const load = (key) => {
    const known = kept.get(key);
    kept.delete(key);
    const promise = known || pass(key);
    kept.set(key, promise);
    promise.catch(() => kept.delete(key));
    if (kept.size > KEPT) kept.delete(kept.keys().next().value);
    return promise;
  };

  // What the treemap of a node shows, its sprite's places by position.
  const view = async (id) => {
    const shard = await load(`nodes/${id}`);
    shard.places ??= new Map(shard.sprite.map((position, place) => [position, place]));
    return shard;
  };

  const block = (position) => load(`images/${Math.floor(position / treePage.summary.block)}`);

  // All that is known of an image.
  const image = async (position) => {
    const shard = await block(position);
    const at = position - shard.start;
    const group = shard.group[at];
    return {
      position,
      row: shard.rows[at],
      path: shard.paths[at],
      label: shard.label[at] < 0 ? null : shard.labelNames[shard.label[at]],
      distance: shard.distance[at],
      margin: shard.margin[at],
      outlier: shard.outlier[at],
      group,
      twins: (shard.groups[group] || []).filter((other) => other !== position),
      unreadable: shard.unreadable[position] || null,
      similar: shard.similar[at].map((offset, i) => [position + offset, shard.cosines[at][i]]),
      leaf: leafOf(shard, position),
    };
  };

  // The card of the leaf that an image lies in; images that are not in the tree have none.
  const leafOf = (shard, position) =>
    shard.leaves.find((leaf) => leaf.start <= position && position < leaf.start + leaf.count) ||
    null;

  // The node at the end of a trail: a view with children, or the card of a leaf.
  const node = async (trail) => {
    const { root } = treePage.summary;
    if (!trail.length) return view(root);
    const nowhere = new Error(`there is no node ${trail.join("/")} in this tree`);
    // Addresses are written by anybody: nothing else becomes a part of a file's name.
    if (!trail.every((id) => /^[\w-]+$/.test(id))) throw nowhere;
    const id = trail[trail.length - 1];
    const parent = await view(trail.length > 1 ? trail[trail.length - 2] : root);
    const child = parent.children.find((one) => one.id === id);
    if (!child) throw nowhere;
    return child.leaf ? leafOf(await block(child.start), child.start) : view(id);
  };

  return { load, pass, view, block, image, node };
})();
