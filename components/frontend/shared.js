// What every component uses. Text from outside only ever becomes a text node.

/** A new element with a class and, as text, its content. */
function element(tag, className = "", text = "") {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text !== "") made.textContent = text;
  return made;
}

/** What a colour by meaning ("train", "line", …) is now, in the theme in use, for charts that cannot read CSS. */
function colour(place, name) {
  const probe = element("span");
  probe.style.color = name.startsWith("--") ? `var(${name})` : `var(--llm-${name})`;
  place.append(probe);
  const value = getComputedStyle(probe).color;
  probe.remove();
  return value;
}

const withThousands = (number) => Math.round(number).toLocaleString("en-GB");

/** 83 → "1 min 23 s" */
function duration(seconds) {
  if (!isFinite(seconds)) return "–";
  const whole = Math.max(0, Math.round(seconds));
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`;
}

/** Call `ask()` again and again until `stop()`; it returns the milliseconds until its next turn. A hidden tab rests. */
function repeatedly(ask) {
  let timer = null;
  let stopped = false;
  async function turn() {
    const wait = document.hidden ? 1000 : await ask();
    if (!stopped) timer = setTimeout(turn, wait);
  }
  turn();
  return () => {
    stopped = true;
    clearTimeout(timer);
  };
}

