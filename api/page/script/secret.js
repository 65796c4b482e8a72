// Copies commands, and acts after the dry run that the page of a secret shows.
(() => {
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

  const form = by("act");
  if (form) {
    const key = crypto.randomUUID(); // Sent twice, it acts once.
    form.hidden = false;
    by("unscripted").hidden = true;
    by("trial").focus();
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      const button = form.querySelector("button"), reason = form.elements.reason.value;
      button.disabled = true;
      say("Sent…", "outcome");
      try {
        const { body, follow } = await act(form.dataset.path, { ...JSON.parse(form.dataset.body), reason }, key);
        const end = follow ? await followed(follow) : body; // What is done at once has no address to follow.
        say(`It ${end.status === "running" ? "is still running" : end.status}${end.reason ? `: ${end.reason}` : "."}`, "outcome");
        by("again").hidden = false;
      } catch (error) {
        button.disabled = false;
        say(error.message, "outcome");
      }
    });
  }
})();
