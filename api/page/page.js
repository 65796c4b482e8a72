"use strict";
// Brings all rows to one page, keeps them fresh without taking the focus away, copies commands, and acts after a dry run.
(() => {
  const ROWS = 500; // a call: more would come later, fewer would ask more often
  const LEAST_PAUSE = 60_000, PAUSE_A_ROW = 60; // milliseconds between refreshes: 5,000 secrets cost 200 calls
  const by = (id, page = document) => page.getElementById(id);
  const all = (what, within = document) => [...within.querySelectorAll(what)];
  const rowsOf = (page) => all("tr[data-state]", page);
  const say = (text, id = "said") => { by(id).textContent = text; };

  // The next pages

  const next = (page) => page.querySelector("a[rel=next]");

  const fetched = async (link) => {
    const address = new URL(link);
    address.searchParams.set("limit", ROWS);
    const answer = await fetch(address, { redirect: "error" });
    if (answer.status === 401) throw new Error("the key in this page's address is not accepted, or nobody is signed in any more; open the page anew");
    if (!answer.ok) throw new Error(`the answer was ${answer.status}`);
    return new DOMParser().parseFromString(await answer.text(), "text/html");
  };

  // Puts elements into order. What holds the focus is never moved, since that would lose it: the others move around it.
  const arrange = (parent, nodes) => {
    if (parent.children.length === nodes.length && nodes.every((node, at) => node === parent.children[at])) return;
    const held = nodes.findIndex((node) => node.contains(document.activeElement));
    if (held < 0) parent.replaceChildren(...nodes);
    else {
      for (const node of [...parent.children]) if (!nodes.includes(node)) node.remove();
      nodes[held].before(...nodes.slice(0, held));
      nodes[held].after(...nodes.slice(held + 1));
    }
  };

  const order = (key) => (left, right) => (left.dataset[key] < right.dataset[key] ? -1 : left.dataset[key] > right.dataset[key] ? 1 : 0);
  const sectionsOf = (page) => all("section[data-group]", page);
  const groupIn = (page, key) => sectionsOf(page).find((section) => section.dataset.group === key);

  const tidy = (page) => {
    const sections = sectionsOf(page).sort(order("order"));
    arrange(by("secrets", page), sections.length ? sections : [...by("secrets", page).children]);
    sections.forEach((section, at) => {
      const body = section.querySelector("tbody"), rows = [...body.children].sort(order("urgency"));
      arrange(body, rows);
      const title = section.querySelector("h2"), id = `group-${at + 1}`, sum = section.querySelector(".sum");
      title.id = id;
      section.setAttribute("aria-labelledby", id);
      section.querySelector("table").setAttribute("aria-labelledby", id);
      const needing = rows.filter((row) => "need" in row.dataset).length;
      if (sum) sum.textContent = needing ? `${needing} of ${rows.length} in need of a person` : `${rows.length}`;
    });
    for (const day of all("details[data-day]", page)) {
      const list = day.querySelector("ul"), steps = [...list.children].sort(order("at")), sum = day.querySelector("b");
      arrange(list, steps);
      sum.textContent = steps.length || "–";
      sum.classList.toggle("alarm", steps.some((step) => step.classList.contains("alarm")));
    }
  };

  // Adds what the next page shows to what a page shows already.
  const merge = (more, page) => {
    for (const section of sectionsOf(more)) {
      const here = groupIn(page, section.dataset.group);
      if (here) here.querySelector("tbody").append(...section.querySelector("tbody").children);
      else by("secrets", page).append(section);
    }
    for (const count of all("[data-count]", page)) {
      count.textContent = Number(count.textContent) + Number(more.querySelector(`[data-count="${count.dataset.count}"]`).textContent);
    }
    for (const day of all("details[data-day]", page)) {
      const steps = more.querySelector(`details[data-day="${day.dataset.day}"] ul`);
      if (steps) day.querySelector("ul").append(...steps.children);
    }
    const owners = by("owners", page), known = new Set(all("option", owners).map((option) => option.value));
    owners.append(...all("#owners option", more).filter((option) => !known.has(option.value)));
    const link = next(page);
    if (link) link.replaceWith(...all("a[rel=next]", more));
    tidy(page);
  };

  const load = async () => {
    const pages = by("pages"), loaded = () => rowsOf(document).length;
    try {
      pages.hidden = true;
      for (let link = next(document); link; link = next(document)) {
        say(`${loaded()} loaded, more are coming…`);
        merge(await fetched(link.href), document);
      }
      say(`All loaded: ${loaded()}.`);
      return true;
    } catch (error) {
      say(`Loading stopped after ${loaded()}: ${error.message}. The link at the end goes on.`);
      return false;
    } finally {
      pages.hidden = false;
    }
  };

  // Refresh

  const focused = (node) => node.contains(document.activeElement);

  // Changes what differs, and keeps the row: its height is remembered while it is out of sight.
  const renew = (row, fresh) => {
    if (row.isEqualNode(fresh)) return row;
    for (const name of Object.keys(row.dataset)) delete row.dataset[name];
    Object.assign(row.dataset, { ...fresh.dataset });
    [...row.children].forEach((cell, at) => {
      const now = fresh.children[at];
      if (!focused(cell) && !cell.isEqualNode(now)) cell.replaceWith(now.cloneNode(true));
    });
    return row;
  };

  // Keeps what is being read where it is on the screen, whatever came above it, until the reader moves on. How high a row is
  // shows only once it has been drawn, and not every browser keeps the place by itself.
  let release = () => {};
  const hold = (row, top) => {
    release();
    let mine = 0;
    const put = () => {
      const off = row?.isConnected ? row.getBoundingClientRect().top - top : 0;
      if (Math.abs(off) >= 1) scrollBy({ top: off, behavior: "instant" });
      mine = scrollY;
    };
    const sizes = new ResizeObserver(put), moved = () => { if (Math.abs(scrollY - mine) > 1) release(); };
    const acts = ["wheel", "touchstart", "pointerdown", "keydown"];
    release = () => {
      sizes.disconnect();
      removeEventListener("scroll", moved);
      for (const act of acts) removeEventListener(act, release);
    };
    put();
    if (!row) return;
    sizes.observe(by("secrets"));
    addEventListener("scroll", moved, { passive: true });
    for (const act of acts) addEventListener(act, release, { passive: true });
  };

  const apply = (page) => {
    const old = new Map(rowsOf(document).map((row) => [row.dataset.key, row]));
    const held = [...old.values()].find(focused);
    const anchor = [...old.values()].find((row) => row.getBoundingClientRect().bottom > 0);
    const before = anchor?.getBoundingClientRect().top;
    for (const section of sectionsOf(document)) {
      if (!groupIn(page, section.dataset.group) && !focused(section)) section.remove();
    }
    for (const section of sectionsOf(page)) {
      const here = groupIn(document, section.dataset.group);
      const rows = rowsOf(section).map((row) => (old.has(row.dataset.key) ? renew(old.get(row.dataset.key), row) : row));
      if (!here) { by("secrets").append(section); continue; }
      // A row with the focus stays where it is, even if its secret now belongs elsewhere.
      const body = here.querySelector("tbody"), kept = rows.filter((row) => row !== held || body.contains(held));
      if (held && body.contains(held) && !kept.includes(held)) kept.push(held);
      arrange(body, kept.sort(order("urgency")));
    }
    for (const count of all("[data-count]")) {
      count.textContent = page.querySelector(`[data-count="${count.dataset.count}"]`).textContent;
    }
    for (const day of all("details[data-day]", page)) {
      const here = document.querySelector(`details[data-day="${day.dataset.day}"]`);
      if (here && !focused(here.querySelector("ul"))) here.querySelector("ul").replaceWith(day.querySelector("ul"));
    }
    const sweeps = by("sweeps"), later = by("sweeps", page);
    if (sweeps && later && !focused(sweeps)) { later.open = sweeps.open; sweeps.replaceWith(later); }
    const incidents = by("incidents"), newer = by("incidents", page);
    if (incidents && newer && !focused(incidents)) {
      const folded = newer.querySelector("details");
      if (folded) folded.open = incidents.querySelector("details")?.open ?? false;
      incidents.replaceWith(newer);
    }
    by("now").replaceWith(by("now", page));
    tidy(document);
    hold(scrollY > 0 ? anchor : null, before);
  };

  const refresh = async () => {
    const before = document.querySelector("[data-count=attention]").textContent;
    try {
      const page = await fetched(location.href);
      for (let link = next(page); link; link = next(page)) merge(await fetched(new URL(link.getAttribute("href"), location.href)), page);
      apply(page);
      const after = document.querySelector("[data-count=attention]").textContent;
      // Spoken only where it matters: a reader is not told every minute that nothing has changed.
      if (before !== after) say(`In need of a person: ${after}, before: ${before}.`);
    } catch (error) {
      say(`It could not be refreshed: ${error.message}. You see how it was before.`);
    }
  };

  const live = () => {
    const box = by("live");
    let last = Date.now(), busy = false;
    box.closest("label").hidden = false;
    setInterval(async () => {
      const pause = Math.max(LEAST_PAUSE, PAUSE_A_ROW * rowsOf(document).length);
      if (busy || !box.checked || document.hidden || Date.now() - last < pause) return;
      busy = true;
      await refresh();
      last = Date.now();
      busy = false;
    }, 5_000);
  };

  if (by("live")) load().then((whole) => { if (whole && !new URLSearchParams(location.search).has("cursor")) live(); });

  // Commands to copy

  for (const button of all("button[data-copy]")) {
    button.hidden = !navigator.clipboard;
    button.addEventListener("click", async () => {
      try {
        await navigator.clipboard.writeText(by(button.dataset.copy).textContent);
        say("Copied.", "heard");
      } catch {
        getSelection().selectAllChildren(by(button.dataset.copy));
        say("It cannot be copied from here. It is selected: press Ctrl+C.", "heard");
      }
    });
  }

  // Acting, after the dry run that the page shows

  const code = new URLSearchParams(location.search).get("code");
  const call = async (address, options = {}) => {
    const answer = await fetch(address, { redirect: "error", ...options, headers: { ...options.headers, ...(code && { "x-functions-key": code }) } });
    if (answer.status === 401 && code) throw new Error("This key opens the page alone. Take a host key, or the command below.");
    const body = await answer.json().catch(() => ({}));
    if (!answer.ok) throw new Error(`${body.detail ?? `The answer was ${answer.status}.`}${body.fix ? ` Fix: ${body.fix}` : ""}`);
    return { body, follow: answer.headers.get("Location") };
  };

  const followed = async (address) => {
    const wait = new URL(address, location.href);
    wait.searchParams.set("wait", "20");
    for (let tries = 0; tries < 30; tries += 1) {
      const { body } = await call(wait);
      if (body.status !== "running") return body;
      say("Running…", "outcome");
    }
    return { status: "running", reason: "it goes on; load this page again later" };
  };

  const act = by("act");
  if (act) {
    const key = crypto.randomUUID(); // Sent twice, it acts once.
    act.hidden = false;
    by("unscripted").hidden = true;
    by("trial").focus();
    act.addEventListener("submit", async (event) => {
      event.preventDefault();
      const button = act.querySelector("button"), reason = act.elements.reason.value;
      button.disabled = true;
      say("Sent…", "outcome");
      try {
        const { follow } = await call(act.dataset.path, {
          method: "POST",
          headers: { "Content-Type": "application/json", "Idempotency-Key": key },
          body: JSON.stringify({ ...JSON.parse(act.dataset.body), reason }),
        });
        const end = await followed(follow);
        say(`It ${end.status === "running" ? "is still running" : end.status}${end.reason ? `: ${end.reason}` : "."}`, "outcome");
        by("again").hidden = false;
      } catch (error) {
        button.disabled = false;
        say(error.message, "outcome");
      }
    });
  }
})();
