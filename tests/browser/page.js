// Loaded into every page before JupyterLab: notes each frame that a canvas paints and what the kernel complains of.
(() => {
  const SAMPLE = 128; // every canvas is compared on a grid of so many pixels, whatever its size
  const seen = { frames: [], pictures: [], images: [], complaints: [] };

  const small = new OffscreenCanvas(SAMPLE, SAMPLE);
  const pen = small.getContext("2d", { willReadFrequently: true });
  pen.imageSmoothingEnabled = false;
  const copy = pen.drawImage;

  function look(canvas) {
    pen.clearRect(0, 0, SAMPLE, SAMPLE);
    copy.call(pen, canvas, 0, 0, SAMPLE, SAMPLE);
    const pixels = new Uint32Array(pen.getImageData(0, 0, SAMPLE, SAMPLE).data.buffer);
    let print = 0, blank = true;
    for (const pixel of pixels) {
      print = (Math.imul(print, 31) + pixel) | 0;
      blank &&= pixel === pixels[0];
    }
    return { print, blank };
  }

  const prints = new WeakMap();
  const paint = CanvasRenderingContext2D.prototype.drawImage;
  CanvasRenderingContext2D.prototype.drawImage = function (...what) {
    paint.apply(this, what);
    const canvas = this.canvas;
    if (!canvas.isConnected || canvas.width <= 300) return; // an icon, or a buffer that nobody sees
    const now = performance.now();
    const { print, blank } = look(canvas);
    if (prints.get(canvas) === print) return;
    prints.set(canvas, print);
    seen.frames.push(now);
    if (!blank) seen.pictures.push(now);
  };

  const notebook = () => window.jupyterapp?.shell?.currentWidget;
  const kernel = () => notebook()?.sessionContext?.session?.kernel;

  // Not only what cells print: also what JupyterLab puts into its log console, where nobody looks.
  function listen() {
    notebook().sessionContext.iopubMessage.connect((_, message) => {
      const { header, content, buffers } = message;
      if (header.msg_type === "error") seen.complaints.push(`${content.ename}: ${content.evalue}`);
      if (header.msg_type === "stream" && content.name === "stderr") seen.complaints.push(content.text);
      if (header.msg_type === "comm_msg" && content.data.method === "custom" && buffers?.length)
        seen.images.push({ comm: content.comm_id, at: performance.timeOrigin + performance.now() });
    });
  }

  function within(seconds, promise, what) {
    const late = new Promise((_, fail) => setTimeout(() => fail(new Error(`${what}: no answer in ${seconds} s`)), 1000 * seconds));
    return Promise.race([promise, late]);
  }

  async function ask({ code, value, seconds }) {
    const request = kernel().requestExecute({
      code, store_history: false, allow_stdin: false, stop_on_error: false, user_expressions: value ? { value } : {},
    });
    return (await within(seconds, request.done, code || value)).content;
  }

  // What a front end that is broken, or not ours, may send for any widget.
  function forge({ model, state }) {
    const header = {
      msg_id: crypto.randomUUID(), msg_type: "comm_msg", session: kernel().clientId, username: "", version: "5.3",
      date: new Date().toISOString(),
    };
    kernel().sendShellMessage({
      header, parent_header: {}, metadata: {}, channel: "shell", buffers: [],
      content: { comm_id: model, data: { method: "update", state, buffer_paths: [] } },
    }, false, true);
  }

  async function runCell({ index, seconds }) {
    notebook().content.activeCellIndex = index;
    const began = performance.now();
    await within(seconds, jupyterapp.commands.execute("notebook:run-cell"), `cell ${index}`);
    return began;
  }

  function press(key) {
    const began = performance.now();
    document.activeElement.dispatchEvent(new KeyboardEvent("keydown", { key, code: key, bubbles: true, cancelable: true }));
    return { began, frames: seen.frames.length };
  }

  const pause = (milliseconds) => new Promise((resume) => setTimeout(resume, milliseconds));

  // Keys as fast as a hand drags, then wait until nothing has changed for a while.
  async function drag({ keys, turn, interval, quiet }) {
    const first = seen.frames.length, began = performance.now();
    for (let i = 0; i < keys; i++) {
      press(i % (2 * turn) < turn ? "ArrowRight" : "ArrowLeft");
      await pause(interval);
    }
    const released = performance.now();
    const last = () => Math.max(released, seen.frames.at(-1) ?? 0);
    while (performance.now() - last() < quiet) await pause(40);
    const frames = seen.frames.slice(first);
    return {
      rate: 1000 * frames.filter((at) => at <= released).length / (released - began),
      lag: frames.length ? last() - released : null,
    };
  }

  function echoes(element) {
    new MutationObserver(() => seen.frames.push(performance.now())).observe(element, {
      childList: true, subtree: true, characterData: true,
    });
  }

  function pixels(canvas) {
    const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
    let text = "";
    for (let i = 0; i < data.length; i += 32768) text += String.fromCharCode(...data.subarray(i, i + 32768));
    return { width: canvas.width, height: canvas.height, data: btoa(text) };
  }

  // As in a tab that nobody sees: the page is told so, and no frame of animation comes until it is seen again.
  const animate = window.requestAnimationFrame.bind(window);
  let waiting = null;

  function hide() {
    waiting = [];
    window.requestAnimationFrame = (work) => waiting.push(work);
    see("hidden");
  }

  function unhide() {
    window.requestAnimationFrame = animate;
    waiting.forEach((work) => animate(work));
    see("visible");
  }

  function see(state) {
    Object.defineProperty(document, "visibilityState", { value: state, configurable: true });
    Object.defineProperty(document, "hidden", { value: state === "hidden", configurable: true });
    document.dispatchEvent(new Event("visibilitychange"));
  }

  window.watched = { ...seen, notebook, kernel, listen, ask, forge, runCell, press, drag, echoes, pixels, hide, unhide };
})();
