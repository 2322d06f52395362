"use strict";

// What survives a reload: the selection, the names, and how the page looks. It lies in the browser,
// under the digest of the tree: another tree has other names.
treePage.store = (() => {
  const { ranges } = treePage;
  const key = `treePage:${treePage.summary.tree}`;
  const looks = "treePage:looks";
  const changed = new EventTarget();

  const read = (name) => {
    try {
      return JSON.parse(localStorage.getItem(name)) || {};
    } catch {
      return {};
    }
  };

  const write = (name, value) => {
    try {
      localStorage.setItem(name, JSON.stringify(value));
    } catch (error) {
      treePage.say(`This browser keeps nothing for this page (${error.name}): export your names`, {
        error: true,
      });
    }
  };

  const limit = treePage.summary.numImages;
  const validNames = (names) =>
    Array.isArray(names) &&
    names.every(
      (entry) =>
        entry &&
        typeof entry.name === "string" &&
        entry.name.trim() &&
        entry.name.length <= 200 &&
        ranges.valid(entry.images, limit),
    );

  const saved = read(key);
  let selection = ranges.valid(saved.selection, limit) ? saved.selection : [];
  let names = validNames(saved.names) ? saved.names : []; // [{name, images: ranges}]
  const look = read(looks);

  const keep = () => {
    write(key, { selection, names });
    changed.dispatchEvent(new Event("change"));
  };

  const toggle = (start, end) => {
    const edit = ranges.covers(selection, start, end) ? ranges.remove : ranges.add;
    selection = edit(selection, start, end);
    keep();
  };

  const select = (images) => {
    selection = images;
    keep();
  };

  // Give a name to images; those that have it already keep it.
  const give = (name, images) => {
    const entry = names.find((one) => one.name === name);
    const all = ranges.union(entry ? entry.images : [], images);
    names = [...names.filter((one) => one !== entry), { name, images: all }];
    names.sort((a, b) => a.name.localeCompare(b.name));
    keep();
    return ranges.size(all);
  };

  const rename = (from, to) => {
    const entry = names.find((one) => one.name === from);
    names = names.filter((one) => one !== entry);
    give(to, entry.images);
  };

  const forget = (name) => {
    names = names.filter((one) => one.name !== name);
    keep();
  };

  // Names from a file; what is no such file is refused with a reason.
  const take = (text) => {
    let file;
    try {
      file = JSON.parse(text);
    } catch {
      throw new Error("this file is no export of names");
    }
    if (!file || file.format !== "names of a tree" || !validNames(file.names)) {
      throw new Error("this file is no export of names");
    }
    if (file.tree !== treePage.summary.tree) {
      throw new Error("these names belong to another tree");
    }
    file.names.forEach((entry) => give(entry.name, entry.images));
    return file.names.length;
  };

  const exported = () =>
    JSON.stringify({ format: "names of a tree", tree: treePage.summary.tree, names }, null, 1);

  const setLook = (name, value) => {
    look[name] = value;
    write(looks, look);
  };

  return {
    onChange: (listener) => changed.addEventListener("change", listener),
    get selection() {
      return selection;
    },
    get names() {
      return names;
    },
    // All, some or none of the images of a run.
    selected: (start, end) => {
      const inside = ranges.within(selection, start, end);
      return inside === end - start ? "all" : inside ? "some" : "none";
    },
    namesOf: (start, end) =>
      names.filter((one) => ranges.covers(one.images, start, end)).map((one) => one.name),
    toggle,
    select,
    give,
    rename,
    forget,
    take,
    exported,
    look,
    setLook,
  };
})();
