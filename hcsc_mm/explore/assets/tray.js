"use strict";

// The selection, at the foot of the page: name it, download it, let it go. And tables as CSV.
treePage.tray = (() => {
  const { el, format, store, ranges } = treePage;
  const tray = treePage.byId("tray");

  // As RFC 4180 has it: quotes where they are needed, doubled inside.
  const field = (value) => {
    const text = value === null || value === undefined ? "" : String(value);
    return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };

  const header = () => [
    "path", "names", "label", "row",
    ...Array.from({ length: treePage.summary.levels }, (_, level) => `prototype_${level}`),
    "distance_0", "margin", "outlier_score", "duplicate_group", "unreadable",
  ];

  const line = (image, names) => {
    const prototypes = Array(treePage.summary.levels).fill("");
    image.leaf?.trail.forEach(([id], depth, trail) => {
      prototypes[trail.length - 1 - depth] = id.slice(id.lastIndexOf("-") + 1);
    });
    return [
      image.path, names.join("; "), image.label, image.row, ...prototypes,
      image.distance, image.margin, image.outlier, image.group, image.unreadable,
    ];
  };

  // Rows are told as they are in the table, block by block: memory holds one of them at a time.
  const table = async (images, onProgress) => {
    const parts = [`\ufeff${header().join(",")}\r\n`];
    const { block } = treePage.summary;
    let done = 0;
    for (const [start, end] of images) {
      for (let first = start; first < end; first = (Math.floor(first / block) + 1) * block) {
        const last = Math.min(end, (Math.floor(first / block) + 1) * block);
        const lines = [];
        for (let position = first; position < last; position += 1) {
          const image = await treePage.data.image(position);
          lines.push(line(image, store.namesOf(position, position + 1)).map(field).join(","));
        }
        parts.push(new Blob([lines.join("\r\n"), "\r\n"])); // not a string that stays in memory
        done += last - first;
        onProgress(done);
      }
    }
    return new Blob(parts, { type: "text/csv;charset=utf-8" });
  };

  const save = (blob, name) => {
    const address = URL.createObjectURL(blob);
    const link = el("a", { href: address, download: name });
    document.body.append(link);
    link.click();
    link.remove();
    setTimeout(() => URL.revokeObjectURL(address), 60000);
  };

  // A name of a file that any system takes.
  const safe = (name) => name.replace(/[^\p{L}\p{N}_-]+/gu, "_").slice(0, 60) || "images";

  const download = async (images, name) => {
    const total = ranges.size(images);
    try {
      const blob = await table(images, (done) => {
        if (done < total) treePage.say(`${format.count(done)} of ${format.count(total)} rows`);
      });
      save(blob, `${safe(name)}.csv`);
      treePage.say(`${format.count(total, "row")} downloaded`);
    } catch (error) {
      treePage.say(error.message, { error: true });
    }
  };

  const downloadSelection = () =>
    store.selection.length && download(store.selection, "selection");

  const name = el("input", {
    type: "text",
    maxlength: 200,
    placeholder: "Name",
    "aria-label": "Name for the selection",
    list: "known-names",
    autocomplete: "off",
  });
  const known = el("datalist", { id: "known-names" });
  const number = el("b", {});

  const giveName = (event) => {
    event.preventDefault();
    const given = name.value.trim();
    if (!given) {
      name.focus();
      return;
    }
    const total = store.give(given, store.selection);
    name.value = "";
    store.select([]);
    treePage.say(`“${given}”: ${format.count(total, "image")}`);
  };

  const clear = () => store.select([]);

  tray.append(
    el("span", { class: "count" }, number, " selected"),
    el(
      "form",
      { submit: giveName },
      name,
      known,
      el("button", { type: "submit", class: "primary" }, "Give name"),
    ),
    el(
      "button",
      { type: "button", click: downloadSelection },
      el("span", { class: "wide" }, "Download "),
      "CSV",
    ),
    el("button", { type: "button", click: clear }, "Clear"),
  );

  const update = () => {
    const total = ranges.size(store.selection);
    tray.hidden = !total;
    number.textContent = format.count(total, "image");
    known.replaceChildren(...store.names.map((one) => el("option", { value: one.name })));
  };

  store.onChange(update);
  update();
  return { download, downloadSelection, save, safe, clear, focus: () => name.focus(), field };
})();
