"use strict";

// The page's one global name. Every file adds its part; data come in through treePage.deliver.
const treePage = {};

// An element. Children that are strings become text, whatever they hold: names of files and labels
// are data, and nothing on this page is ever parsed as markup.
treePage.el = (tag, attributes = {}, ...children) => {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (typeof value === "function") element.addEventListener(name, value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat(2).filter((child) => child !== null && child !== undefined));
  return element;
};

// Put something in the place of what an element holds, and take its pictures back.
treePage.fill = (element, ...content) => {
  element.querySelectorAll(".picture").forEach(treePage.thumbs.giveBack);
  element.replaceChildren(...content.flat().filter(Boolean));
};

treePage.byId = (id) => document.getElementById(id);

treePage.format = (() => {
  const whole = new Intl.NumberFormat("en");

  const count = (number, noun) =>
    noun ? `${whole.format(number)} ${noun}${number === 1 ? "" : "s"}` : whole.format(number);

  const share = (value) => {
    if (value < 1e-5) return value ? "below 0.001 %" : "0 %";
    const percent = 100 * value;
    return `${percent >= 10 ? percent.toFixed(1).replace(".0", "") : percent.toPrecision(2)} %`;
  };

  const decimal = (value) => (value === null || value === undefined ? "–" : value.toFixed(3));

  const fileName = (path) => path.slice(path.lastIndexOf("/") + 1);

  // A node is called by its majority label where there is one, all of them by the title.
  const node = (summary) =>
    summary.id === treePage.summary.root ? treePage.summary.title : summary.name || summary.id;

  return { count, share, decimal, fileName, node };
})();

// A word to the reader, also for screen readers; it goes by itself.
treePage.say = (() => {
  let timer = 0;
  return (text, { error = false } = {}) => {
    const status = treePage.byId("status");
    status.textContent = text;
    status.classList.toggle("error", error);
    status.classList.add("shown");
    clearTimeout(timer);
    timer = setTimeout(() => status.classList.remove("shown"), error ? 10000 : 4000);
  };
})();
