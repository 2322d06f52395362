"use strict";

// All names that the user gave: shown, taken up as the selection, downloaded, renamed, forgotten,
// exported and imported.
treePage.names = (() => {
  const { el, format, store, ranges, tray } = treePage;
  const dialog = treePage.byId("names");

  const act = (text, click, what) =>
    el("button", { type: "button", click, "aria-label": `${text}: ${what}` }, text);

  const rename = (entry) => {
    const field = el("input", { type: "text", maxlength: 200, value: entry.name });
    const done = (event) => {
      event.preventDefault();
      const given = field.value.trim();
      if (given && given !== entry.name) store.rename(entry.name, given);
      else fill();
    };
    const form = el("form", { submit: done }, field, el("button", { type: "submit" }, "Rename"));
    const row = [...dialog.querySelectorAll("li")][store.names.indexOf(entry)];
    row.replaceChildren(form);
    field.select();
  };

  const row = (entry) =>
    el(
      "li",
      {},
      el("b", { class: "data" }, entry.name),
      el("span", { class: "muted" }, format.count(ranges.size(entry.images), "image")),
      el(
        "span",
        { class: "buttons" },
        act("Look", () => look(entry), entry.name),
        act("Select", () => take(entry), entry.name),
        act("CSV", () => tray.download(entry.images, entry.name), entry.name),
        act("Rename", () => rename(entry), entry.name),
        act("Delete", () => forget(entry), entry.name),
      ),
    );

  // The leaf of its first image.
  const look = async (entry) => {
    dialog.close();
    try {
      const image = await treePage.data.image(entry.images[0][0]);
      treePage.go({ image: image.position });
      if (image.leaf) treePage.card.showInTree(image);
    } catch (error) {
      treePage.say(error.message, { error: true });
    }
  };

  const take = (entry) => {
    store.select(ranges.union(store.selection, entry.images));
    dialog.close();
  };

  const forget = (entry) => {
    if (confirm(`Forget the name “${entry.name}”?`)) store.forget(entry.name);
  };

  const everything = () =>
    tray.download(
      store.names.reduce((all, entry) => ranges.union(all, entry.images), []),
      "names",
    );

  const exported = () =>
    tray.save(
      new Blob([store.exported()], { type: "application/json" }),
      `${tray.safe(treePage.summary.title)}_names.json`,
    );

  const file = el("input", {
    type: "file",
    accept: ".json,application/json",
    hidden: true,
    "aria-label": "File of names",
    change: async () => {
      try {
        const number = store.take(await file.files[0].text());
        treePage.say(`${format.count(number, "name")} imported`);
      } catch (error) {
        treePage.say(error.message, { error: true });
      }
      file.value = "";
    },
  });

  const fill = () => {
    dialog.replaceChildren(
      el("h2", {}, "Names"),
      el(
        "p",
        { class: "muted" },
        "Select nodes or images, then give the selection a name. Names stay in this browser; ",
        "export them to keep them or to hand them on.",
      ),
      store.names.length
        ? el("ul", { class: "name-list" }, store.names.map(row))
        : el("p", {}, "There are none yet."),
      el(
        "p",
        { class: "buttons" },
        el("button", { type: "button", disabled: !store.names.length, click: exported }, "Export"),
        el("button", { type: "button", click: () => file.click() }, "Import"),
        el(
          "button",
          { type: "button", disabled: !store.names.length, click: everything },
          "All as CSV",
        ),
        el("button", { type: "button", class: "primary", click: () => dialog.close() }, "Close"),
      ),
      file,
    );
  };

  const open = () => {
    fill();
    dialog.showModal();
  };

  store.onChange(() => dialog.open && fill());
  return { open };
})();
