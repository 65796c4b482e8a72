// Brings all rows to one page, keeps them fresh without taking the focus away, sorts and exports them, and sends several at once.
(() => {
  const ROWS = 500; // a call: more would come later, fewer would ask more often
  const LEAST_PAUSE = 60_000, PAUSE_A_ROW = 60; // milliseconds between refreshes: 5,000 secrets cost 200 calls
  const rowsOf = (page) => all("tr[data-state]", page);

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

  // Rows go by urgency, or by the column that was chosen, and there those without a text come last. api/page/columns.py does the same.
  const textOf = (row, column) => {
    const cell = row.querySelector(`[data-column="${column}"]`);
    return (cell.querySelector("time")?.dateTime ?? cell.textContent.trim()).toLowerCase();
  };
  const inOrder = (rows) => {
    const urgent = [...rows].sort(order("urgency")), head = document.querySelector("th[aria-sort]");
    if (!head) return urgent;
    const turn = head.getAttribute("aria-sort") === "descending" ? -1 : 1;
    const keyed = urgent.map((row) => [textOf(row, head.dataset.column), row]);
    const filled = keyed.filter(([text]) => text).sort(([one], [other]) => turn * (one < other ? -1 : one > other ? 1 : 0));
    return [...filled, ...keyed.filter(([text]) => !text)].map(([, row]) => row);
  };

  const order = (key) => (left, right) => (left.dataset[key] < right.dataset[key] ? -1 : left.dataset[key] > right.dataset[key] ? 1 : 0);
  const sectionsOf = (page) => all("section[data-group]", page);
  const groupIn = (page, key) => sectionsOf(page).find((section) => section.dataset.group === key);

  const tidy = (page) => {
    const sections = sectionsOf(page).sort(order("order"));
    arrange(by("secrets", page), sections.length ? sections : [...by("secrets", page).children]);
    sections.forEach((section, at) => {
      const body = section.querySelector("tbody"), rows = inOrder(body.children);
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
    page.querySelector("[data-ahead]").textContent = all("details[data-day] li", page).length;
    for (const count of all(".counts li:has(.state) b", page)) count.closest("li").classList.toggle("zero", count.textContent === "0");
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
    const known = all("#owners option", page);
    for (const option of all("#owners option", more)) {
      if (known.some((one) => one.value === option.value)) continue;
      const after = known.slice(1).find((one) => one.value.toLowerCase() > option.value.toLowerCase());
      by("owners", page).insertBefore(option, after ?? null);
    }
    const obstacle = by("obstacle", page), further = by("obstacle", more).textContent;
    if (!obstacle.textContent.includes(further)) obstacle.textContent = `${obstacle.textContent} ${further}`.trim();
    obstacle.hidden = !obstacle.textContent;
    const link = next(page);
    if (link) link.replaceWith(...all("a[rel=next]", more));
    tidy(page);
  };

  const load = async () => {
    const pages = by("pages"), loaded = () => rowsOf(document).length;
    try {
      pages.hidden = true;
      by("secrets").setAttribute("aria-busy", "true");
      for (let link = next(document); link; link = next(document)) {
        say(`${loaded()} loaded, more are coming…`);
        merge(await fetched(link.href), document);
      }
      say(loaded() ? `All loaded: ${loaded()}.` : "");
      if (by("more")) say(by("more").dataset.end, "more");
      return true;
    } catch (error) {
      say(`Loading stopped after ${loaded()}: ${error.message}. The link at the end goes on.`);
      return false;
    } finally {
      pages.hidden = false;
      by("secrets").setAttribute("aria-busy", "false");
    }
  };

  // Refresh

  const focused = (node) => node.contains(document.activeElement);

  // Changes what differs, and keeps the row: its height is remembered while it is out of sight.
  const renew = (row, fresh) => {
    fresh.querySelector("details").open = row.querySelector("details").open;
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
      arrange(body, inOrder(kept));
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
    by("obstacle").replaceWith(by("obstacle", page));
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

  // Sorting, without loading anything again

  const sortBy = (link) => {
    const { column } = link.closest("th").dataset, chosen = link.search;
    history.replaceState(null, "", chosen);
    const descending = new URLSearchParams(chosen).get("sort").startsWith("-");
    for (const head of all("th[data-column]:not([scope=row])")) {
      const mine = head.dataset.column === column, address = new URL(location.href);
      if (mine) head.setAttribute("aria-sort", descending ? "descending" : "ascending");
      else head.removeAttribute("aria-sort");
      address.searchParams.set("sort", (mine && !descending ? "-" : "") + head.dataset.column);
      head.querySelector("a").href = address.search;
    }
    tidy(document);
  };

  // Export of the rows as they stand

  const quoted = (text) => {
    const harmless = text.replace(/(^|[;,\t])(?=[\s"]*[=+\-@|%＝＋－＠])/g, "$1'"); // a spreadsheet takes it for nothing but text, at whatever it parts
    return `"${harmless.replaceAll('"', '""')}"`;
  };
  const cellOf = (row, what) => {
    const cell = row.querySelector(what);
    return cell?.querySelector("time")?.dateTime ?? cell?.textContent.trim().replace(/\s+/g, " ") ?? "";
  };
  const COLUMNS = {
    secret: "[data-column=secret]", vault: "[data-column=vault]", state: ".state", owner: "[data-column=owner]", kind: "[data-column=kind]",
    due: "[data-column=due]", expires: "[data-column=expires]", reason: ".why", fix: ".fix bdi",
  };
  const exported = () => {
    const rows = rowsOf(document).map((row) => Object.values(COLUMNS).map((what) => quoted(cellOf(row, what))).join(","));
    const missing = by("obstacle").textContent;
    if (missing) rows.push(Object.keys(COLUMNS).map((column) => quoted(column === "reason" ? missing : "")).join(","));
    const text = [Object.keys(COLUMNS).join(","), ...rows, ""].join("\r\n");
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([text], { type: "text/csv" }));
    link.download = `rekey-secrets-${by("now").dateTime.slice(0, 10)}.csv`;
    link.click();
    URL.revokeObjectURL(link.href);
  };

  // Several at once: what does no harm

  const picked = () => all("tbody :checked");
  const count = () => {
    by("several").hidden = picked().length === 0;
    by("several").querySelector("[data-selected]").textContent = picked().length;
  };
  const send = async (reason) => {
    const boxes = picked(), refused = [];
    for (const [at, box] of boxes.entries()) {
      say(`Sending ${at + 1} of ${boxes.length}…`, "sent");
      try {
        await act(box.dataset.path, { reason }, crypto.randomUUID());
        box.checked = false;
      } catch (error) {
        refused.push(`${box.closest("tr").querySelector("th").textContent}: ${error.message}`);
      }
    }
    by("several").querySelector("[data-selected]").textContent = picked().length;
    say(`Sent: ${boxes.length - refused.length}.${refused.length ? ` Refused: ${refused.join(" | ")}` : " Each row shows its outcome once it is done."}`, "sent");
  };

  const ready = () => {
    by("export").hidden = false;
    by("export").addEventListener("click", exported);
    by("secrets").addEventListener("click", (event) => {
      const link = event.target.closest("th[data-column] a");
      if (!link?.closest("thead") || event.ctrlKey || event.metaKey || event.shiftKey) return;
      event.preventDefault();
      sortBy(link);
    });
    if (!by("several")) return; // Who only reads has nothing to select.
    by("secrets").addEventListener("change", count);
    by("several").addEventListener("reset", () => { for (const box of picked()) box.checked = false; count(); });
    by("several").addEventListener("submit", async (event) => {
      event.preventDefault();
      const button = event.target.querySelector("button");
      button.disabled = true;
      await send(event.target.elements.reason.value);
      button.disabled = false;
    });
  };

  if (by("live")) {
    ready();
    load().then((whole) => { if (whole && !new URLSearchParams(location.search).has("cursor")) live(); });
  }
})();
