"use strict";
// Follows the links to the next rows and brings their rows here, those that need a person to the top.
(async () => {
  const ROWS = 500; // a call: more would come later, fewer would ask more often
  const by = (id, page = document) => page.getElementById(id);
  const next = (page) => page.querySelector("a[rel=next]");
  const say = (text) => { by("said").textContent = text; };

  const show = () => {
    for (const count of document.querySelectorAll("[data-count]")) {
      count.textContent = document.querySelectorAll(`tr[data-state="${count.dataset.count}"]`).length;
    }
    return document.querySelectorAll("tr[data-state]").length;
  };

  const fetched = async (link) => {
    const address = new URL(link.href);
    address.searchParams.set("limit", ROWS);
    const answer = await fetch(address, { redirect: "error" });
    if (!answer.ok) throw new Error(`the answer was ${answer.status}`);
    return new DOMParser().parseFromString(await answer.text(), "text/html");
  };

  const pages = by("pages");
  try {
    pages.hidden = true;
    for (let link = next(document); link; link = next(document)) {
      say(`${show()} loaded, more are coming…`);
      const page = await fetched(link);
      for (const id of ["first", "others"]) by(id).append(...by(id, page).children);
      link.replaceWith(...page.querySelectorAll("a[rel=next]"));
    }
    say(`All loaded: ${show()}.`);
  } catch (error) {
    say(`Loading stopped after ${show()}: ${error.message}. The link at the end goes on.`);
  }
  pages.hidden = false;
})();
