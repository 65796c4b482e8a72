// Reports a value that has leaked. It is taken off the page before it is sent, and the field has no name, so no browser sends it by itself.
(() => {
  const form = by("report");
  if (!form) return;

  const told = ({ status, vault, secret, version, kind, reason, refused, proof, command }) => [
    status, secret ? `${vault}/${secret}, version ${version}` : kind, reason, refused && `refused since ${refused}: ${proof}`, command,
  ].filter(Boolean).join("; ");

  const shown = (id) => {
    const address = new URLSearchParams({ incident: id, ...(code && { code }) });
    by("begun").querySelector("a").href = `?${address}`;
    by("begun").hidden = false;
  };

  form.hidden = false;
  say("The value is used for this one call, and kept nowhere.", "found");
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const button = form.querySelector("button"), value = by("leaked").value;
    by("leaked").value = "";
    button.disabled = by("begun").hidden = true;
    say("It is looked for…", "found");
    try {
      const sent = { value, location: by("place").value, act: by("cut")?.checked ?? false };
      const { body } = await call("leaks", {
        method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(sent),
      });
      say(told(body), "found");
      if (body.incident) shown(body.incident);
    } catch (error) {
      say(error.message, "found");
    } finally {
      button.disabled = false;
    }
  });
})();
