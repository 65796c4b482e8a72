"use strict";
// What every page's script uses. The files of this folder are one script, in the order of their names in look.py.
const by = (id, page = document) => page.getElementById(id);
const all = (what, within = document) => [...within.querySelectorAll(what)];
const say = (text, id = "said") => { by(id).textContent = text; };

const code = new URLSearchParams(location.search).get("code");

// Calls the API; raises an Error with its reason and fix.
const call = async (address, options = {}) => {
  const answer = await fetch(address, { redirect: "error", ...options, headers: { ...options.headers, ...(code && { "x-functions-key": code }) } });
  if (answer.status === 401 && code) throw new Error("This key opens the page alone. Take a host key, or the command below.");
  const body = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Error(`${body.detail ?? `The answer was ${answer.status}.`}${body.fix ? ` Fix: ${body.fix}` : ""}`);
  return { body, follow: answer.headers.get("Location") };
};

// Sent twice with one key, it acts once.
const act = (path, body, key) => call(path, {
  method: "POST",
  headers: { "Content-Type": "application/json", "Idempotency-Key": key },
  body: JSON.stringify(body),
});
