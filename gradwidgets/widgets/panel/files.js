// Two buttons: one hands the reader a file that the kernel wrote, the other hands the kernel a file of the reader's.
// ipywidgets' own button for files counts them in its label and cannot be told how large they may be.

function button(text, icon, tooltip) {
  const made = document.createElement("button"), sign = document.createElement("i");
  made.className = "lm-Widget jupyter-widgets jupyter-button widget-button gradwidgets-icon";
  sign.className = `fa fa-${icon}`;
  made.append(sign, text);
  made.title = tooltip;
  made.type = "button";
  return made;
}

function render({ model, el }) {
  el.classList.add("gradwidgets-files");
  const save = button("Save", "download", "save these settings, and a guess, as a file");
  const load = button("Load", "folder-open", "load a file of settings");
  const chosen = document.createElement("input");
  chosen.type = "file";
  chosen.accept = ".json,application/json";
  chosen.hidden = true;
  chosen.setAttribute("aria-hidden", "true");
  chosen.tabIndex = -1;
  save.addEventListener("click", () => model.send({ save: true }));
  load.addEventListener("click", () => chosen.click());
  chosen.addEventListener("change", async () => {
    const file = chosen.files[0];
    if (!file) return;
    if (file.size > model.get("largest")) model.send({ name: file.name, size: file.size });
    else model.send({ name: file.name }, undefined, [await file.arrayBuffer()]);
    chosen.value = ""; // the same file may be chosen again
  });
  const hand = (message) => {
    if (message.text === undefined) return;
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([message.text], { type: "application/json" }));
    link.download = message.name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  };
  model.on("msg:custom", hand);
  el.append(save, load, chosen);
  return () => model.off("msg:custom", hand);
}

export default { render };
